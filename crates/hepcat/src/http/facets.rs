//! `GET /api/v1/facets`: which values a field has, and how often.

use axum::{
    Json,
    extract::{Query as Parameters, State},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    asking::{self, OfCalls},
    gate,
    openapi::{BadRequest, Facets, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::Kind,
    query::{FIELDS, Field, Scope},
    search::{self, FacetOf, FacetSearch},
};

/// Values at most.
const MOST: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FacetParameters {
    /// Whose values.
    field: String,
    /// Of which messages or calls, in the query language.
    #[serde(default)]
    q: String,
    /// Only what has this time or a later one (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Values that are enough.
    limit: Option<usize>,
    /// What is counted, where the field and the query do not say.
    #[param(inline)]
    of: Option<Of>,
    /// Registrations, subscriptions, messages and OPTIONS count as calls as well.
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Of {
    Messages,
    Calls,
}

/// Which values a field has, and how often.
#[utoipa::path(
    get,
    path = "/api/v1/facets",
    params(FacetParameters),
    responses(
        (status = 200, description = "Values, the most frequent first", body = Facets),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<FacetParameters>,
) -> Result<Response, Problem> {
    let field = field(&parameters.field)?;
    gate::may_read_payloads(matches!(field, Field::Payload | Field::Header(_)))?;
    let mut search = FacetSearch::new(of(&parameters, &field)?, field);
    search.limit = parameters.limit.unwrap_or(search.limit).clamp(1, MOST);
    let cancel = search.cancel.clone();
    let counted = asking::ask(&shared, cancel, move |sink| search::facet(sink, &search));
    match counted.await? {
        Ok(facet) => Ok(Json(facet).into_response()),
        Err(error) => Err(asking::faulty("field not counted", error.to_string())),
    }
}

/// The field of this name, or of one that people coming from elsewhere have for it.
fn field(name: &str) -> Result<Field, Problem> {
    let folded = name.to_ascii_lowercase();
    let meant = || {
        let meant = FIELDS
            .iter()
            .find(|entry| entry.synonyms.contains(&folded.as_str()));
        meant.map(|entry| entry.field.clone())
    };
    Field::from_name(name)
        .or_else(meant)
        .ok_or_else(|| asking::faulty("field not known", format!("there is no field `{name}`")))
}

/// Calls where only they can be asked, else messages.
fn of(parameters: &FacetParameters, field: &Field) -> Result<FacetOf, Problem> {
    let time = asking::range(parameters.from, parameters.to);
    let of_calls = || -> Result<FacetOf, Problem> {
        let of_calls = OfCalls::read(&parameters.q, &time)?;
        if of_calls.messages.is_some() {
            return Err(asking::faulty(
                "not known of calls",
                "the query asks for what only messages know: count those",
            ));
        }
        let kind = (!parameters.all).then_some(Kind::Call);
        Ok(FacetOf::Calls(of_calls.asked, of_calls.query, kind))
    };
    match parameters.of {
        Some(Of::Calls) => of_calls(),
        Some(Of::Messages) => asking::of_messages(&parameters.q, &time).map(FacetOf::Messages),
        None if field.scope() == Scope::Call => of_calls(),
        None => match asking::of_messages(&parameters.q, &time) {
            Ok(asked) => Ok(FacetOf::Messages(asked)),
            Err(problem) if field.is_of_calls() => of_calls().or(Err(problem)),
            Err(problem) => Err(problem),
        },
    }
}
