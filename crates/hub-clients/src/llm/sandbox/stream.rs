//! The sandbox's streamed answer, word by word. A word is produced, and counted, when it is asked for.

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::meter::SandboxMeter;
use super::render::Head;
use super::script::Script;
use crate::llm::count::Estimate;
use crate::llm::{ChatEvent, ChatEventKind, LlmError};

/// The events of `script`. With several choices their words take turns.
pub(super) fn events(
    script: Script,
    head: Head,
    meter: SandboxMeter,
) -> BoxStream<'static, Result<ChatEvent, LlmError>> {
    let teller = Teller { script, head, meter, next: Step::Role(0) };
    stream::unfold(teller, async |mut teller| teller.step().await.map(|event| (event, teller))).boxed()
}

struct Teller {
    script: Script,
    head: Head,
    meter: SandboxMeter,
    next: Step,
}

/// What comes next; numbers run over the choices, and for words over all words of all choices.
#[derive(Clone, Copy)]
enum Step {
    Role(usize),
    Word(usize),
    Finish(usize),
    Usage,
    Done,
    End,
}

impl Teller {
    async fn step(&mut self) -> Option<Result<ChatEvent, LlmError>> {
        let choices = self.script.choices;
        if let Step::Word(number) = self.next {
            if self.script.cut == Some(number) {
                self.next = Step::End;
                return Some(Err(LlmError::Truncated(None)));
            }
            if number == self.script.words.len() * choices {
                self.next = Step::Finish(0);
            }
        }
        let event = match self.next {
            Step::Role(choice) => {
                self.next = if choice + 1 < choices { Step::Role(choice + 1) } else { Step::Word(0) };
                chunk(self.head.role(choice))
            }
            Step::Word(number) => {
                self.next = Step::Word(number + 1);
                self.word(number / choices, number % choices).await
            }
            Step::Finish(choice) => {
                let after = if self.script.with_usage { Step::Usage } else { Step::Done };
                self.next = if choice + 1 < choices { Step::Finish(choice + 1) } else { after };
                let finish = self.script.finish;
                ChatEvent { finish: Some(finish.to_owned()), ..chunk(self.head.finish(choice, finish)) }
            }
            Step::Usage => {
                self.next = Step::Done;
                let usage = self.script.usage();
                let raw = self.head.usage(&usage);
                ChatEvent { usage: Some(usage), ..ChatEvent::bare(ChatEventKind::UsageOnly, raw) }
            }
            Step::Done => {
                self.next = Step::End;
                ChatEvent::done()
            }
            Step::End => return None,
        };
        Some(Ok(event))
    }

    async fn word(&self, place: usize, choice: usize) -> ChatEvent {
        if !self.script.delay.is_zero() {
            tokio::time::sleep(self.script.delay).await;
        }
        let word = self.script.words.get(place).map_or("", String::as_str);
        let text = if place == 0 { word.to_owned() } else { format!(" {word}") };
        self.meter.produce(1);
        let raw = self.head.text(choice, &text);
        ChatEvent { text, output: Estimate::exactly(1), ..chunk(raw) }
    }
}

fn chunk(raw: Bytes) -> ChatEvent {
    ChatEvent::bare(ChatEventKind::Chunk, raw)
}
