//! The errors of every operation, derived from what the operation is, so that no endpoint lists them by hand and none forgets one.
//!
//! Derived, never guessed wide: there is no `default`, so a status that is not listed is a defect that tests of the document find. What only
//! a few operations answer stands at those operations.

use hub_types::ErrorCode;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder};

/// What anybody may get anywhere: the front door and the layers give these.
const ALWAYS: &[ErrorCode] = &[
    ErrorCode::Validation,
    ErrorCode::Authentication,
    ErrorCode::Forbidden,
    ErrorCode::UriTooLong,
    ErrorCode::RateLimitExceeded,
    ErrorCode::HeadersTooLarge,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
    ErrorCode::GatewayTimeout,
];
/// What a body may bring about: it comes late, is too large or of another type, names what is not there, or conflicts with what is.
const WITH_BODY: &[ErrorCode] = &[
    ErrorCode::RequestTimeout,
    ErrorCode::PayloadTooLarge,
    ErrorCode::UnsupportedMediaType,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
];
/// What a person's browser, on its way to or from a provider, is told as a page.
const PERSON: &[ErrorCode] = &[
    ErrorCode::Validation,
    ErrorCode::Authentication,
    ErrorCode::Forbidden,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::RateLimitExceeded,
    ErrorCode::BadGateway,
    ErrorCode::GatewayTimeout,
];
/// What an operation with the tags of inference may bring about besides.
const INFERENCE: &[ErrorCode] = &[ErrorCode::InsufficientCredits, ErrorCode::ProviderError];

/// The responses that operations refer to: `Error400` and so on, one for each status in the table of errors, and `Page400` and so on for
/// operations that a person's browser is sent to.
pub(super) fn components() -> impl Iterator<Item = (String, RefOr<Response>)> {
    let mut statuses: Vec<u16> = ErrorCode::ALL.iter().map(|code| code.status()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses.into_iter().flat_map(|status| {
        let same = ErrorCode::ALL.iter().filter(|code| code.status() == status);
        let words: Vec<String> = same.map(|code| format!("`{}`: {}", code.as_str(), code.message())).collect();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorEnvelope"))).build();
        let error = ResponseBuilder::new().description(words.join(". ")).content("application/json", content).build();
        let mut both = vec![(name(status, false), error.clone().into())];
        if PERSON.iter().any(|code| code.status() == status) {
            let mut page = error;
            page.content.insert("text/html".into(), ContentBuilder::new().build().into());
            both.push((name(status, true), page.into()));
        }
        both
    })
}

/// Adds to every operation the errors it can answer with. What an operation says itself stays.
pub(super) fn describe(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let person = operation.responses.responses.contains_key("302");
            for code in possible(operation) {
                let status = code.status();
                let page = person && PERSON.contains(&code);
                let reference = RefOr::Ref(Ref::from_response_name(name(status, page)));
                operation.responses.responses.entry(status.to_string()).or_insert(reference);
            }
        }
    }
}

fn possible(operation: &Operation) -> Vec<ErrorCode> {
    let mut codes = ALWAYS.to_vec();
    if operation.request_body.is_some() {
        codes.extend_from_slice(WITH_BODY);
    }
    let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    // An object is named in the path, or by its owner in the query.
    if parameters.into_iter().any(|one| one.parameter_in == ParameterIn::Path || one.name == "userId") {
        codes.extend_from_slice(&[ErrorCode::NotFound, ErrorCode::Conflict]);
    }
    if operation.responses.responses.contains_key("302") {
        codes.extend_from_slice(PERSON);
    }
    let tags = operation.tags.iter().flatten();
    if operation.request_body.is_some() && tags.into_iter().any(|tag| tag == "mcp" || tag == "openai") {
        codes.extend_from_slice(INFERENCE);
    }
    codes
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    all.into_iter().filter_map(Option::as_mut)
}

fn name(status: u16, page: bool) -> String {
    if page { format!("Page{status}") } else { format!("Error{status}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The statuses and references of `POST /x` after the errors were added.
    fn described(operation: &serde_json::Value) -> Vec<String> {
        let document = json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1" }, "paths": { "/x": { "post": operation } } });
        let mut document: OpenApi = serde_json::from_value(document).unwrap();
        describe(&mut document);
        let text = serde_json::to_value(&document).unwrap();
        let responses = text["paths"]["/x"]["post"]["responses"].as_object().unwrap().clone();
        responses
            .iter()
            .map(|(status, response)| format!("{status} {}", response["$ref"].as_str().unwrap_or("own")))
            .collect()
    }

    #[test]
    fn an_operation_has_the_errors_of_what_it_is() {
        let plain = described(&json!({ "responses": { "200": { "description": "d" } } }));
        assert!(plain.contains(&"429 #/components/responses/Error429".to_owned()), "{plain:?}");
        assert!(!plain.iter().any(|line| ["402", "404", "413"].contains(&&line[..3])), "{plain:?}");
        let chat = described(&json!({
            "tags": ["openai"],
            "requestBody": { "content": {} },
            "responses": { "200": { "description": "d" }, "409": { "description": "its own words" } },
        }));
        for line in ["402 #/components/responses/Error402", "413 #/components/responses/Error413", "409 own"] {
            assert!(chat.contains(&line.to_owned()), "{line} is not in {chat:?}");
        }
        let person = described(&json!({ "responses": { "302": { "description": "d" } } }));
        assert!(person.contains(&"403 #/components/responses/Page403".to_owned()), "{person:?}");
        assert!(person.contains(&"500 #/components/responses/Error500".to_owned()), "{person:?}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let names: Vec<String> = components().map(|(name, _)| name).collect();
        for code in [ALWAYS, WITH_BODY, PERSON, INFERENCE].concat() {
            assert!(names.contains(&name(code.status(), false)), "{code:?}");
            assert_eq!(
                names.contains(&name(code.status(), true)),
                PERSON.iter().any(|one| one.status() == code.status())
            );
        }
    }
}
