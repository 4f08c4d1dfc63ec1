//! `GET /api/v1/openapi.json`: every endpoint under `/api/v1`, described by what stands at its handler.

use std::collections::BTreeMap;

use axum::Json;
use serde_json::Value;
use utoipa::{
    IntoResponses, Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, ContentBuilder, ObjectBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder,
        Schema, extensions::ExtensionsBuilder, path::Operation, schema::AdditionalProperties,
    },
};

use super::{
    agents, audit, calls, explanation, export, facets, histogram, import, links, live, live_calls,
    messages, overview, problem::Problem, quality, registrations, session, sharing, status, store,
    test_call, traces,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hepcat",
        version = "1",
        description = "What a hepcat node shows and does. Where the node has users, each operation says under \
                       `x-needs` what right it takes (docs/access.md): sign in, or show a token. Everything that goes \
                       wrong is answered as application/problem+json.",
    ),
    paths(
        document,
        session::show,
        session::begin,
        session::end,
        audit::list,
        sharing::share,
        sharing::list,
        sharing::revoke,
        status::status,
        status::destinations,
        status::ledger,
        agents::list,
        agents::show,
        agents::accept,
        agents::refuse,
        agents::forget,
        test_call::send,
        traces::list,
        traces::start,
        traces::stop,
        traces::capture,
        traces::switch_capture,
        live::live,
        messages::list,
        messages::show,
        messages::frame,
        export::messages,
        calls::list,
        calls::show,
        calls::messages,
        calls::ladder,
        calls::flow,
        explanation::show,
        quality::show,
        live_calls::live,
        overview::show,
        export::call,
        histogram::show,
        import::take,
        facets::show,
        links::link,
        links::unlink,
        registrations::list,
        store::stats,
        store::check,
        store::compact,
        store::plan,
        store::retention,
        store::remove,
    ),
    components(schemas(Problem)),
    modifiers(&Everywhere)
)]
struct Description;

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(super) async fn document() -> Json<Value> {
    Json(description())
}

/// Every endpoint under `/api/v1` with its parameters and answers, as OpenAPI 3.1.
#[must_use]
pub fn description() -> Value {
    // Names and texts that were written here become JSON whatever they are.
    serde_json::to_value(Description::openapi()).unwrap_or_default()
}

/// What holds for every endpoint.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let served = super::endpoints();
        for (path, item) in &mut document.paths.paths {
            let words: Vec<&str> = path
                .trim_start_matches("/api/v1/")
                .split(['/', '.'])
                .map(|word| word.trim_matches(['{', '}']))
                .collect();
            for (method, operation) in operations(item) {
                operation.operation_id = Some(format!("{method}_{}", words.join("_")));
                operation.tags = words.first().map(|subject| vec![(*subject).to_owned()]);
                let responses = &mut operation.responses.responses;
                responses.extend(Forbidden::responses());
                responses.extend(Unauthorized::responses());
                let needs = (served.iter())
                    .find(|endpoint| endpoint.path == path && endpoint.method == method)
                    .and_then(|endpoint| endpoint.needs);
                let needs = Value::from(needs.map(|right| right.name()));
                let needs = ExtensionsBuilder::new().add("x-needs", needs).build();
                operation.extensions = Some(needs);
            }
        }
        let components = document.components.get_or_insert_default();
        let problems = PROBLEMS.iter();
        let problems = problems.map(|(name, what)| ((*name).to_owned(), problem(what).into()));
        components.responses.extend(problems);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
    ];
    let methods = methods.into_iter();
    methods.filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

macro_rules! problems {
    ($($name:ident: $status:literal $what:literal;)*) => {
        /// Names of answers that are problems, and what each says.
        const PROBLEMS: &[(&str, &str)] = &[$((stringify!($name), $what)),*];

        $(
            #[doc = $what]
            pub(super) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let response = Ref::from_response_name(stringify!($name));
                    [($status.to_owned(), response.into())].into()
                }
            }
        )*
    };
}

problems! {
    BadRequest: "400" "What is asked for is not understood; `detail` says what and where";
    Unauthorized: "401" "Sign in first, or what was shown is not good";
    Forbidden: "403" "Not allowed: the right is missing, a page of another origin asks, or the Host is not loopback where there are no users";
    TooOften: "429" "Too many attempts: `Retry-After` says when to try again";
    NotFound: "404" "There is no such thing";
    SearchTooLong: "408" "The search took longer than it may";
    Ambiguous: "409" "Several agents have that name: say the address";
    Conflict: "409" "It is taken, or what it is asked of does not allow it";
    Busy: "409" "Somebody checks or compacts the store already";
    NotKept: "500" "It could not be kept";
    NoStore: "503" "This node keeps nothing";
    SearchEnded: "503" "This node keeps nothing, or memory is short: later it may be possible";
    Unavailable: "503" "Too many ask for it at once";
}

fn problem(what: &str) -> Response {
    let schema = Some(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(schema).build();
    ResponseBuilder::new()
        .description(what)
        .content("application/problem+json", content)
        .build()
}

macro_rules! objects {
    ($($name:ident: $what:literal;)*) => {$(
        #[doc = $what]
        pub(super) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .description(Some($what))
                    .additional_properties(Some(AdditionalProperties::FreeForm(true)))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

objects! {
    Message: "A message, as docs/message-json.md describes it";
    Call: "A call with its legs and why they belong together, as docs/calls.md describes it";
    Registration: "A registration, as docs/calls.md describes it";
    Searched: "Which time was searched, as docs/search.md describes it";
    Histogram: "How many messages and calls lie in each span, as docs/search.md describes it";
    Facets: "Values and how often they are there, as docs/search.md describes it";
    CallQuality: "Streams with their points, as docs/quality.md describes them";
    Overview: "Calls counted, as docs/overview.md describes it";
    Explanation: "Findings with their evidence, as docs/explain.md describes them";
    Ladder: "Lanes, and arrows in causal order, as docs/calls.md describes them";
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident: $key:ident of $item:ident;)*) => {$(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "it describes what is made as JSON")]
        pub(super) struct $name {
            /// What was found.
            $key: Vec<$item>,
            /// The `cursor` of what follows; null where nothing does.
            next: Option<String>,
            /// Why the search ended early; null where it did not.
            ended_by: Option<String>,
            /// Files that could not be read: what they hold is missing.
            unreadable: Option<u64>,
            /// Which time was searched, where not all was.
            searched: Option<Searched>,
        }
    )*};
}

pages! {
    /// A page of calls.
    CallPage: calls of Call;
    /// A page of messages.
    MessagePage: messages of Message;
    /// A page of registrations.
    RegistrationPage: registrations of Registration;
}

/// Calls.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is made as JSON")]
pub(super) struct CallList {
    /// The calls.
    calls: Vec<Call>,
}

/// Messages.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is made as JSON")]
pub(super) struct MessageList {
    /// The messages.
    messages: Vec<Message>,
}
