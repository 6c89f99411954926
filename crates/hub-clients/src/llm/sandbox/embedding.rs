//! The sandbox's vectors: every word adds a direction of its own, the sum has length one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::EMBEDDING_MODEL;
use crate::wire::openai::{EmbeddingInput, EmbeddingsRequest};

/// Numbers in a vector when nobody says.
const DIMENSIONS: usize = 64;

/// The answer in OpenAI's shape, and its prompt tokens.
pub(super) fn answer(request: &EmbeddingsRequest) -> (Bytes, i64) {
    let dimensions = request.dimensions().and_then(|count| usize::try_from(count).ok()).unwrap_or(DIMENSIONS);
    let input = tokens(request);
    let vectors = request.read_inputs().into_iter().enumerate().map(|(index, input)| {
        let vector = vector(&words(&input), dimensions);
        let embedding: Value = if request.wants_base64() {
            BASE64_STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()).into()
        } else {
            vector.into()
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let body = json!({
        "object": "list",
        "data": vectors.collect::<Vec<_>>(),
        "model": EMBEDDING_MODEL,
        "usage": {"prompt_tokens": input, "total_tokens": input},
    });
    (body.to_string().into(), input)
}

/// Prompt tokens: a word is a token, and a token number is one.
pub(super) fn tokens(request: &EmbeddingsRequest) -> i64 {
    let count: usize = request.read_inputs().iter().map(|input| words(input).len().max(1)).sum();
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn words(input: &EmbeddingInput) -> Vec<String> {
    match input {
        EmbeddingInput::Text(text) => text.split_whitespace().map(str::to_lowercase).collect(),
        EmbeddingInput::Tokens(tokens) => tokens.iter().map(u32::to_string).collect(),
    }
}

fn vector(words: &[String], dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0_f32; dimensions];
    for word in words {
        let mut state = seed(word);
        for number in &mut sum {
            // SplitMix64's step: every word walks a sequence of its own.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            // Sixteen bits are exact in a float.
            let high = u16::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(0);
            *number += f32::from(high) / 32_768.0 - 1.0;
        }
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        for number in &mut sum {
            *number /= length;
        }
    } else if let Some(first) = sum.first_mut() {
        *first = 1.0;
    }
    sum
}

/// FNV-1a.
fn seed(word: &str) -> u64 {
    word.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        let one = |text: &str| vector(&words(&EmbeddingInput::Text(text.to_owned())), DIMENSIONS);
        one(a).iter().zip(one(b)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_words_are_nearer_than_those_that_do_not() {
        assert!((near("a red fox", "a red fox") - 1.0).abs() < 1e-5);
        assert!(near("a red fox", "a red dog") > near("a red fox", "seven long bridges") + 0.2);
    }

    #[test]
    fn base64_holds_the_same_numbers() {
        let read = |more: &str| {
            let body = format!(r#"{{"model":"sandbox-embedding","input":["one two","  "],"dimensions":8{more}}}"#);
            let (body, tokens) = answer(&EmbeddingsRequest::parse(body.into()).unwrap());
            (serde_json::from_slice::<Value>(&body).unwrap(), tokens)
        };
        let (floats, tokens) = read("");
        let (packed, _) = read(r#","encoding_format":"base64""#);
        assert_eq!((tokens, &floats["usage"]["prompt_tokens"]), (3, &json!(3)));
        let bytes = BASE64_STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let unpacked: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let plain: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
        assert_eq!(unpacked.len(), 8);
        assert!(unpacked.iter().zip(plain).all(|(one, other)| (one - other).abs() < 1e-6));
    }
}
