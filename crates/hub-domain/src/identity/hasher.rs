//! Hashes and checks passwords: argon2id by default (OWASP: 19 MiB, 2 passes), bcrypt of a keyed pre-hash where the operator wants
//! it. The algorithm stands in the hash, so both kinds are checked and old ones are renewed at sign-in.
//!
//! Hashing is slow on purpose: it runs on blocking threads, as many at a time as there are cores, behind a short queue.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hub_types::random_bytes;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::Password;
use crate::sessions::mac384;

/// Before a bcrypt hash whose input was pre-hashed with the pepper.
const KEYED_BCRYPT: &str = "$hub-bcrypt-sha384$";
/// Waiting hashes per core, at most.
const QUEUE_PER_CORE: usize = 32;

/// Which algorithm makes new hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// argon2id.
    Argon2id,
    /// bcrypt of HMAC-SHA-384 with the pepper: the spec's algorithm without its silent cut at 72 bytes.
    Bcrypt,
}

/// `[identity.passwords]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashSettings {
    /// Which algorithm makes new hashes.
    pub algorithm: Algorithm,
    /// argon2id: memory in KiB; 8 or more.
    pub memory_kib: u32,
    /// argon2id: passes; 1 or more.
    pub passes: u32,
    /// bcrypt: cost, 4 to 31.
    pub bcrypt_cost: u32,
    /// Longest wait for a free core, in milliseconds.
    pub wait_ms: u64,
}

impl Default for HashSettings {
    fn default() -> Self {
        Self { algorithm: Algorithm::Argon2id, memory_kib: 19_456, passes: 2, bcrypt_cost: 12, wait_ms: 5000 }
    }
}

impl HashSettings {
    /// The least the algorithms allow: for tests, where hundreds of users are made. Worthless against an attacker.
    pub fn for_tests() -> Self {
        Self { memory_kib: 8, passes: 1, bcrypt_cost: 4, wait_ms: 60_000, ..Self::default() }
    }
}

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// All cores hash already and the wait was too long. Trying again in a second makes sense.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    /// The settings are outside what the algorithm allows.
    #[error("the settings of password hashing are out of range")]
    Settings,
    /// The algorithm failed, or a stored hash is not readable.
    #[error("password hashing failed: {0}")]
    Failed(&'static str),
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The right password.
    Match,
    /// The right password, under an algorithm or cost that is no longer in use: hash it anew.
    MatchOutdated,
    /// A wrong password.
    Mismatch,
}

/// Hashes passwords, a bounded number at a time. Cheap to clone.
#[derive(Clone)]
pub struct Hasher {
    recipe: Arc<Recipe>,
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    wait: Duration,
}

struct Recipe {
    algorithm: Algorithm,
    params: Params,
    bcrypt_cost: u32,
    pepper: [u8; 32],
    /// A hash nobody knows the password of, so that unknown users cost the same time as known ones.
    nobody: String,
}

impl Hasher {
    /// A hasher with these settings. `pepper` is kept outside the database; bcrypt hashes are worthless without it.
    pub fn new(settings: &HashSettings, pepper: [u8; 32]) -> Result<Self, HasherError> {
        let params = Params::new(settings.memory_kib, settings.passes, 1, None).map_err(|_| HasherError::Settings)?;
        if !(4..=31).contains(&settings.bcrypt_cost) {
            return Err(HasherError::Settings);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let nobody = nobody(settings);
        let recipe =
            Recipe { algorithm: settings.algorithm, params, bcrypt_cost: settings.bcrypt_cost, pepper, nobody };
        Ok(Self {
            recipe: Arc::new(recipe),
            cores: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores * QUEUE_PER_CORE)),
            wait: Duration::from_millis(settings.wait_ms),
        })
    }

    /// Hashes a password with the settings in force.
    pub async fn hash(&self, password: &Password) -> Result<String, HasherError> {
        let password = password.clone();
        self.run(move |recipe| recipe.hash(&password)).await
    }

    /// Checks a password against a stored hash of any kind we ever wrote.
    pub async fn verify(&self, password: &Password, stored: &str) -> Result<Verdict, HasherError> {
        let (password, stored) = (password.clone(), stored.to_owned());
        self.run(move |recipe| recipe.verify(&password, &stored)).await
    }

    /// Spends the time of a check, for an account that does not exist. Never matches.
    pub async fn verify_nobody(&self, password: &Password) -> Result<(), HasherError> {
        let password = password.clone();
        self.run(move |recipe| recipe.verify(&password, &recipe.nobody).map(drop)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Recipe) -> Result<T, HasherError> + Send + 'static,
    ) -> Result<T, HasherError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| HasherError::Busy)?;
        let core = tokio::time::timeout(self.wait, Arc::clone(&self.cores).acquire_owned()).await;
        let core = core.map_err(|_| HasherError::Busy)?.map_err(|_| HasherError::Busy)?;
        let recipe = Arc::clone(&self.recipe);
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is over, also when the request that asked for it is gone.
            let _held = (place, core);
            work(&recipe)
        });
        done.await.map_err(|_| HasherError::Failed("the thread died"))?
    }
}

impl Recipe {
    fn hash(&self, password: &Password) -> Result<String, HasherError> {
        match self.algorithm {
            Algorithm::Argon2id => {
                let hash = self.argon2().hash_password_with_salt(password.expose().as_bytes(), &random_bytes::<16>());
                hash.map(|hash| hash.to_string()).map_err(|_| HasherError::Failed("argon2"))
            }
            Algorithm::Bcrypt => {
                let hash = bcrypt::non_truncating_hash(self.prehash(password), self.bcrypt_cost);
                hash.map(|hash| format!("{KEYED_BCRYPT}{hash}")).map_err(|_| HasherError::Failed("bcrypt"))
            }
        }
    }

    fn verify(&self, password: &Password, stored: &str) -> Result<Verdict, HasherError> {
        let matches = if let Some(bcrypt) = stored.strip_prefix(KEYED_BCRYPT) {
            check_bcrypt(self.prehash(password).as_bytes(), bcrypt)?
        } else if stored.starts_with("$2") {
            // A plain bcrypt hash, brought from elsewhere. One that was cut at 72 bytes does not count.
            check_bcrypt(password.expose().as_bytes(), stored)?
        } else {
            use argon2::password_hash::Error;
            match self.argon2().verify_password(password.expose().as_bytes(), stored) {
                Ok(()) => true,
                Err(Error::PasswordInvalid) => false,
                Err(_) => return Err(HasherError::Failed("a stored hash is not readable")),
            }
        };
        Ok(match (matches, self.is_current(stored)) {
            (false, _) => Verdict::Mismatch,
            (true, true) => Verdict::Match,
            (true, false) => Verdict::MatchOutdated,
        })
    }

    fn is_current(&self, stored: &str) -> bool {
        match self.algorithm {
            Algorithm::Argon2id => stored.starts_with(&argon2_head(self.params.m_cost(), self.params.t_cost())),
            Algorithm::Bcrypt => stored.starts_with(&format!("{KEYED_BCRYPT}$2b${:02}$", self.bcrypt_cost)),
        }
    }

    fn argon2(&self) -> Argon2<'_> {
        Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// 64 characters of base64, so that bcrypt sees all of a long password.
    fn prehash(&self, password: &Password) -> String {
        STANDARD_NO_PAD.encode(mac384(&self.pepper, password.expose().as_bytes()))
    }
}

fn check_bcrypt(input: &[u8], stored: &str) -> Result<bool, HasherError> {
    match bcrypt::non_truncating_verify(input, stored) {
        Ok(matches) => Ok(matches),
        Err(bcrypt::BcryptError::Truncation(_)) => Ok(false),
        Err(_) => Err(HasherError::Failed("a stored hash is not readable")),
    }
}

fn argon2_head(memory_kib: u32, passes: u32) -> String {
    format!("$argon2id$v=19$m={memory_kib},t={passes},p=1$")
}

/// A well-formed hash of random bytes: checking it costs as much as checking a real one.
fn nobody(settings: &HashSettings) -> String {
    match settings.algorithm {
        Algorithm::Argon2id => {
            let (salt, hash) =
                (STANDARD_NO_PAD.encode(random_bytes::<16>()), STANDARD_NO_PAD.encode(random_bytes::<32>()));
            format!("{}{salt}${hash}", argon2_head(settings.memory_kib, settings.passes))
        }
        Algorithm::Bcrypt => {
            // 22 characters of salt and 31 of hash are well-formed when the bits that fill up the last one are zero: `.`.
            let random: String = random_bytes::<51>().map(|byte| char::from(b'A' + byte % 26)).iter().collect();
            let (salt, hash) = random.split_at(21);
            format!("{KEYED_BCRYPT}$2b${:02}${salt}.{hash}.", settings.bcrypt_cost)
        }
    }
}

impl std::fmt::Debug for Hasher {
    /// Without the pepper.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.recipe.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(change: impl FnOnce(&mut HashSettings)) -> Hasher {
        let mut settings = HashSettings::for_tests();
        change(&mut settings);
        Hasher::new(&settings, [7; 32]).unwrap()
    }

    fn bcrypt(settings: &mut HashSettings) {
        settings.algorithm = Algorithm::Bcrypt;
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn both_kinds_match_the_right_password_only() {
        for hasher in [hasher(|_| ()), hasher(bcrypt)] {
            let hash = hasher.hash(&password("right one")).await.unwrap();
            assert_eq!(hasher.verify(&password("right one"), &hash).await.unwrap(), Verdict::Match);
            assert_eq!(hasher.verify(&password("wrong one"), &hash).await.unwrap(), Verdict::Mismatch);
            assert_ne!(hash, hasher.hash(&password("right one")).await.unwrap());
            hasher.verify_nobody(&password("right one")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn bcrypt_sees_all_of_a_long_password_and_needs_the_pepper() {
        let ours = hasher(bcrypt);
        let hash = ours.hash(&password(&"x".repeat(128))).await.unwrap();
        assert_eq!(ours.verify(&password(&"x".repeat(72)), &hash).await.unwrap(), Verdict::Mismatch);
        assert_eq!(ours.verify(&password(&"x".repeat(128)), &hash).await.unwrap(), Verdict::Match);
        let mut settings = HashSettings::for_tests();
        bcrypt(&mut settings);
        let elsewhere = Hasher::new(&settings, [8; 32]).unwrap();
        assert_eq!(elsewhere.verify(&password(&"x".repeat(128)), &hash).await.unwrap(), Verdict::Mismatch);
    }

    #[tokio::test]
    async fn another_algorithm_or_cost_is_outdated() {
        let (cheap, dearer, other) = (hasher(|_| ()), hasher(|s| s.passes = 2), hasher(bcrypt));
        let hash = cheap.hash(&password("right one")).await.unwrap();
        for newer in [&dearer, &other] {
            assert_eq!(newer.verify(&password("right one"), &hash).await.unwrap(), Verdict::MatchOutdated);
        }
        let hash = other.hash(&password("right one")).await.unwrap();
        assert_eq!(cheap.verify(&password("right one"), &hash).await.unwrap(), Verdict::MatchOutdated);
        let plain = bcrypt::non_truncating_hash("right one", 4).unwrap();
        assert_eq!(other.verify(&password("right one"), &plain).await.unwrap(), Verdict::MatchOutdated);
        assert_eq!(other.verify(&password(&"x".repeat(100)), &plain).await.unwrap(), Verdict::Mismatch);
        assert!(cheap.verify(&password("right one"), "not a hash").await.is_err());
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_at_once_and_a_long_wait_in_the_end() {
        let hasher = hasher(|settings| settings.wait_ms = 1);
        let cores = Arc::clone(&hasher.cores);
        let all = u32::try_from(cores.available_permits()).unwrap();
        let held = cores.acquire_many(all).await.unwrap();
        assert!(matches!(hasher.hash(&password("x")).await, Err(HasherError::Busy)));
        hasher.queue.forget_permits(usize::MAX);
        drop(held);
        assert!(matches!(hasher.hash(&password("x")).await, Err(HasherError::Busy)));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for settings in [
            HashSettings { memory_kib: 1, ..HashSettings::default() },
            HashSettings { passes: 0, ..HashSettings::default() },
            HashSettings { bcrypt_cost: 3, ..HashSettings::default() },
        ] {
            assert!(Hasher::new(&settings, [0; 32]).is_err());
        }
    }
}
