//! What the sandbox will answer, decided from the request alone: the same request always gives the same script.

use std::time::Duration;

use hub_types::TokenUsage;

use crate::wire::openai::{ChatRequest, MessageText};

/// Tokens a message costs beside its words.
const MESSAGE_TOKENS: i64 = 4;
/// Most words of one answer.
const WORDS_LIMIT: usize = 20_000;
/// Most words of the user's message that are echoed, and most characters of each.
const ECHO_LIMIT: usize = 400;
const ECHO_WORD_LIMIT: usize = 60;
const DELAY_LIMIT: Duration = Duration::from_secs(1);
const ANSWER_TIME_LIMIT: Duration = Duration::from_mins(10);
const CLOSING: &str = "This answer was made by the hub itself: no model was asked, and nothing left this machine.";

/// How a call is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    BadRequest,
    Credential,
    RateLimited,
    ServerError,
    Timeout,
}

/// One answer, ready to be given.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Prompt tokens.
    pub(super) input: i64,
    /// The words of each choice; a word is a token.
    pub(super) words: Vec<String>,
    pub(super) choices: usize,
    /// `stop` or `length`.
    pub(super) finish: &'static str,
    /// Break a stream off after so many words, of all choices together.
    pub(super) cut: Option<usize>,
    pub(super) with_usage: bool,
    pub(super) delay: Duration,
    pub(super) failure: Option<Failure>,
}

impl Script {
    /// The answer to `request` with at most `limit` words per choice.
    pub(super) fn new(request: &ChatRequest, limit: Option<i64>, delay: Duration) -> Self {
        let messages = request.messages();
        let question = messages.iter().rev().find(|message| message.role == "user");
        let mut orders = Orders::default();
        let question = question.map_or("", |message| message.text.as_str());
        let mut echo = Vec::new();
        for word in question.split_whitespace() {
            if !orders.take(word) && echo.len() < ECHO_LIMIT {
                echo.push(word);
            }
        }
        let opening = ["[sandbox]", "You", "said:"].into_iter().chain(echo);
        let plain: Vec<&str> = opening.chain(CLOSING.split_whitespace()).collect();
        let wanted = orders.words.unwrap_or(plain.len());
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let given = wanted.min(limit);
        let filling: Vec<&str> = CLOSING.split_whitespace().collect();
        let words = plain.iter().chain(filling.iter().cycle()).take(given);
        let choices = usize::try_from(request.choices()).unwrap_or(1);
        let total = given.saturating_mul(choices);
        let share = ANSWER_TIME_LIMIT / u32::try_from(total).unwrap_or(u32::MAX).max(1);
        Self {
            input: input_tokens(&messages),
            words: words.map(|word| word.chars().take(ECHO_WORD_LIMIT).collect()).collect(),
            choices,
            finish: if given < wanted { "length" } else { "stop" },
            cut: orders.cut.map(|cut| cut.min(total)),
            with_usage: !orders.no_usage,
            delay: orders.delay.unwrap_or(delay).min(DELAY_LIMIT).min(share),
            failure: orders.failure,
        }
    }

    /// Completion tokens of all choices, up to where the answer is cut.
    pub(super) fn output(&self) -> i64 {
        let words = self.words.len().saturating_mul(self.choices);
        i64::try_from(self.cut.unwrap_or(words)).unwrap_or(i64::MAX)
    }

    /// What the sandbox bills.
    pub(super) fn usage(&self) -> TokenUsage {
        TokenUsage { input: self.input, output: self.output(), ..TokenUsage::default() }
    }
}

/// Prompt tokens: the words of all messages, and a little for each message.
pub(super) fn input_tokens(messages: &[MessageText]) -> i64 {
    let words: usize = messages.iter().map(|message| message.text.split_whitespace().count()).sum();
    let marks = i64::try_from(messages.len()).unwrap_or(i64::MAX).saturating_mul(MESSAGE_TOKENS);
    i64::try_from(words).unwrap_or(i64::MAX).saturating_add(marks)
}

/// The steering words of a message.
#[derive(Default)]
struct Orders {
    words: Option<usize>,
    delay: Option<Duration>,
    cut: Option<usize>,
    no_usage: bool,
    failure: Option<Failure>,
}

impl Orders {
    /// Takes `word` if it is an order; anything that only looks like one stays text.
    fn take(&mut self, word: &str) -> bool {
        let Some(order) = word.strip_prefix("sandbox:") else { return false };
        match order.split_once('=') {
            None if order == "no-usage" => self.no_usage = true,
            Some(("words", number)) => match number.parse::<usize>() {
                Ok(number) => self.words = Some(number.clamp(1, WORDS_LIMIT)),
                Err(_) => return false,
            },
            Some(("delay", number)) => match number.parse() {
                Ok(millis) => self.delay = Some(Duration::from_millis(millis)),
                Err(_) => return false,
            },
            Some(("cut", number)) => match number.parse() {
                Ok(number) => self.cut = Some(number),
                Err(_) => return false,
            },
            Some(("fail", how)) => match how {
                "400" => self.failure = Some(Failure::BadRequest),
                "401" => self.failure = Some(Failure::Credential),
                "429" => self.failure = Some(Failure::RateLimited),
                "500" => self.failure = Some(Failure::ServerError),
                "timeout" => self.failure = Some(Failure::Timeout),
                _ => return false,
            },
            _ => return false,
        }
        true
    }
}
