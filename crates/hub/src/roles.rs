//! The roles a process can play. One process plays all of them, or several share the work.

use std::fmt;
use std::str::FromStr;

/// A part of the hub that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The front door.
    Gateway,
    /// Accounts and sessions.
    Auth,
    /// Credits, keys, administration.
    Core,
    /// Model calls.
    Mcp,
    /// Background work.
    Worker,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Auth, Self::Core, Self::Mcp, Self::Worker];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Auth => "auth",
            Self::Core => "core",
            Self::Mcp => "mcp",
            Self::Worker => "worker",
        }
    }
}

/// The roles of one process; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles([bool; 5]);

impl Roles {
    /// Everything in one process.
    pub const ALL: Self = Self([true; 5]);

    /// True when this process plays the role.
    pub fn has(self, role: Role) -> bool {
        Role::ALL.into_iter().zip(self.0).any(|(known, on)| on && known == role)
    }

    /// The roles, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// The port these roles listen on unless the settings say otherwise.
    pub fn usual_port(self) -> u16 {
        match self.iter().next() {
            Some(Role::Auth) => 3001,
            Some(Role::Core) => 3002,
            Some(Role::Mcp) => 3003,
            _ => 3000,
        }
    }

    /// True when there is something to listen for: a worker alone has no door.
    pub fn listens(self) -> bool {
        self.iter().any(|role| role != Role::Worker)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Role::name).collect::<Vec<_>>().join(","))
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; the roles are all, gateway, auth, core, mcp, worker")]
pub struct UnknownRole(String);

impl FromStr for Roles {
    type Err = UnknownRole;

    /// Reads `all`, or names separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::ALL);
        }
        let mut roles = Self([false; 5]);
        for word in text.split(',').map(str::trim) {
            let found = Role::ALL.iter().position(|role| role.name() == word);
            let place = found.and_then(|index| roles.0.get_mut(index)).ok_or_else(|| UnknownRole(word.to_owned()))?;
            *place = true;
        }
        Ok(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_and_written() {
        assert_eq!("all".parse(), Ok(Roles::ALL));
        assert_eq!("worker, auth".parse::<Roles>().unwrap().to_string(), "auth,worker");
        assert!("auth,oauth".parse::<Roles>().unwrap_err().to_string().contains("`oauth`"));
        assert!("".parse::<Roles>().is_err());
    }

    #[test]
    fn a_worker_alone_has_no_door() {
        assert!(!"worker".parse::<Roles>().unwrap().listens());
        assert_eq!("worker,mcp".parse::<Roles>().unwrap().usual_port(), 3003);
        assert_eq!(Roles::ALL.usual_port(), 3000);
    }
}
