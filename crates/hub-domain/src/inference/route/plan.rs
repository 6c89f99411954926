//! The order of candidates: by priority, and inside a priority by lot, each with the share its weight gives it.

use std::collections::BTreeSet;

use super::super::Choice;
use super::super::registry::Candidate;
use super::{Dice, StandIn, Target};
use crate::Hub;

/// Who may answer a call for `model`, best first; empty when nobody can. Without an alias these are the providers of the model itself, and after them the stand-ins.
pub(in super::super) fn plan(hub: &Hub, model: &str, choice: &Choice) -> Vec<Candidate> {
    let now = hub.clock.now();
    let Some(alias) = hub.settings.routing.alias(model) else {
        let mut own = hub.providers.candidates(&hub.prices, model, choice, now);
        let served: BTreeSet<String> = own.iter().map(|candidate| candidate.provider.service().to_owned()).collect();
        // A model that nobody knows stays unknown.
        if !served.is_empty() && matches!(choice, Choice::Auto) {
            for StandIn { service, model } in &hub.settings.routing.stand_ins {
                if !served.contains(service) {
                    let service = Choice::Service(service.clone());
                    own.extend(hub.providers.candidates(&hub.prices, model, &service, now));
                }
            }
        }
        return own;
    };
    let chosen = |target: &&Target| match choice {
        Choice::Auto => true,
        Choice::Service(service) => target.service == *service,
    };
    let targets = drawn(alias.targets.iter().filter(chosen).collect(), &hub.routing.dice);
    let of = |target: &Target| {
        let service = Choice::Service(target.service.clone());
        hub.providers.candidates(&hub.prices, &target.model, &service, now)
    };
    targets.into_iter().flat_map(of).collect()
}

/// The targets by priority; those of one priority are drawn one after the other, with their weights as chances.
fn drawn<'a>(mut targets: Vec<&'a Target>, dice: &Dice) -> Vec<&'a Target> {
    targets.sort_by_key(|target| target.priority);
    let mut order = Vec::with_capacity(targets.len());
    while let Some(priority) = targets.first().map(|target| target.priority) {
        let same = targets.iter().take_while(|target| target.priority == priority).count();
        let total: u64 = targets.iter().take(same).map(|target| u64::from(target.weight)).sum();
        let mut lot = dice.below(total);
        let drawn = targets.iter().take(same).position(|target| {
            let weight = u64::from(target.weight);
            let hit = lot < weight;
            lot = lot.saturating_sub(weight);
            hit
        });
        // Without weights left, those that are only spare come in the order they were written.
        order.push(targets.remove(drawn.unwrap_or(0)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(model: &str, priority: u32, weight: u32) -> Target {
        Target { service: "s".to_owned(), model: model.to_owned(), priority, weight }
    }

    fn order(targets: &[Target], dice: &Dice) -> String {
        drawn(targets.iter().collect(), dice).iter().map(|target| target.model.as_str()).collect()
    }

    #[test]
    fn priorities_come_in_order_and_spare_targets_last_among_theirs() {
        let targets = [target("d", 2, 1), target("c", 1, 0), target("b", 1, 5), target("a", 0, 0)];
        for seed in 0..50 {
            assert_eq!(order(&targets, &Dice::new(seed)), "abcd");
        }
    }

    #[test]
    fn weights_are_shares() {
        let targets = [target("a", 0, 3), target("b", 0, 1)];
        let dice = Dice::new(11);
        let first = (0..4_000).filter(|_| order(&targets, &dice).starts_with('a')).count();
        assert!((2_850..3_150).contains(&first), "{first}");
    }
}
