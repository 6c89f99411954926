//! Which mail server, read from one address: `smtps://user:password@mail.example.com`.

use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

/// Implicit TLS (RFC 8314).
const TLS_PORT: u16 = 465;
/// Submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Plain, on this machine.
const PLAIN_PORT: u16 = 25;

/// One mail server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// User and password, for servers that ask for them.
    pub login: Option<(String, SecretString)>,
    /// The most one mail may take, from connecting to the server's last word.
    pub timeout: Duration,
}

/// How a connection is protected. Certificates are always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after `STARTTLS`, and no mail without it.
    StartTls,
    /// None: only to this machine, where no wire can be tapped.
    None,
}

/// The address cannot be used. Shows nothing of it, because it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// Not an address of this kind.
    #[error("must look like smtps://user:password@mail.example.com:465 or smtp://mail.example.com:587")]
    Shape,
    /// Only one of user and password.
    #[error("must hold both a user and a password, or neither")]
    Login,
    /// A query that is not known.
    #[error("may only end in ?tls=required or ?tls=none")]
    Option,
    /// No protection to another machine.
    #[error("may do without TLS only on this machine (localhost)")]
    Plain,
}

impl SmtpConfig {
    /// Reads an address. `smtps` is TLS from the start; `smtp` is STARTTLS, and without TLS on this machine unless
    /// `?tls=required` asks for it. User and password are percent-encoded, as everywhere in addresses.
    pub fn from_url(text: &str, timeout: Duration) -> Result<Self, SmtpUrlError> {
        let url: Url = text.parse().map_err(|_| SmtpUrlError::Shape)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::Shape)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpUrlError::Shape);
        }
        let security = security(&url, is_this_machine(&host))?;
        let usual = match security {
            SmtpSecurity::Tls => TLS_PORT,
            SmtpSecurity::StartTls => SUBMISSION_PORT,
            SmtpSecurity::None => PLAIN_PORT,
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None | Some("")) => return Err(SmtpUrlError::Login),
            (user, Some(password)) => {
                let (user, password) = (decoded(user), decoded(password));
                Some((
                    user.map_err(|_| SmtpUrlError::Shape)?,
                    SecretString::from(password.map_err(|_| SmtpUrlError::Shape)?),
                ))
            }
        };
        Ok(Self { host, port: url.port().unwrap_or(usual), security, login, timeout })
    }
}

fn security(url: &Url, here: bool) -> Result<SmtpSecurity, SmtpUrlError> {
    match (url.scheme(), url.query()) {
        ("smtps", None) => Ok(SmtpSecurity::Tls),
        ("smtp", None | Some("tls=none")) if here => Ok(SmtpSecurity::None),
        ("smtp", None | Some("tls=required")) => Ok(SmtpSecurity::StartTls),
        ("smtp", Some("tls=none")) => Err(SmtpUrlError::Plain),
        ("smtp" | "smtps", Some(_)) => Err(SmtpUrlError::Option),
        _ => Err(SmtpUrlError::Shape),
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(url: &str) -> Result<SmtpConfig, SmtpUrlError> {
        SmtpConfig::from_url(url, Duration::from_secs(1))
    }

    #[test]
    fn each_kind_of_address_means_what_it_says() {
        for (url, host, port, security) in [
            ("smtps://mail.example.com", "mail.example.com", 465, SmtpSecurity::Tls),
            ("smtp://mail.example.com", "mail.example.com", 587, SmtpSecurity::StartTls),
            ("smtp://mail.example.com:2525/", "mail.example.com", 2525, SmtpSecurity::StartTls),
            ("smtp://localhost", "localhost", 25, SmtpSecurity::None),
            ("smtp://[::1]:1025", "::1", 1025, SmtpSecurity::None),
            ("smtp://127.0.0.1:1025?tls=required", "127.0.0.1", 1025, SmtpSecurity::StartTls),
            ("smtps://127.0.0.1:1025", "127.0.0.1", 1025, SmtpSecurity::Tls),
        ] {
            let config = read(url).unwrap();
            assert_eq!((config.host.as_str(), config.port, config.security), (host, port, security), "{url}");
        }
    }

    #[test]
    fn user_and_password_are_decoded_and_never_printed() {
        let config = read("smtps://ada%40example.com:p%3Ah%2Fush@mail.example.com").unwrap();
        let (user, password) = config.login.as_ref().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ada@example.com", "p:h/ush"));
        assert!(!format!("{config:?}").contains("ush"));
    }

    #[test]
    fn an_address_that_would_send_in_the_clear_or_is_none_is_refused() {
        for (url, error) in [
            ("smtp://mail.example.com?tls=none", SmtpUrlError::Plain),
            ("smtp://mail.example.com?tls=maybe", SmtpUrlError::Option),
            ("smtp://ada@mail.example.com", SmtpUrlError::Login),
            ("smtp://:hush@mail.example.com", SmtpUrlError::Login),
            ("https://mail.example.com", SmtpUrlError::Shape),
            ("smtp://mail.example.com/inbox", SmtpUrlError::Shape),
            ("mail.example.com", SmtpUrlError::Shape),
            ("smtp:", SmtpUrlError::Shape),
        ] {
            assert_eq!(read(url).unwrap_err(), error, "{url}");
        }
    }
}
