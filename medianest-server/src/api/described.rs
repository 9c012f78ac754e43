use super::Api;
use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    payload::{Json, Payload},
    registry::{MetaApi, MetaPath, MetaSchema, MetaSchemaRef, Registry},
};
use std::collections::HashMap;

/// The OpenAPI document.
pub(crate) fn document() -> String {
    closed(service().spec())
}

/// The document as a page to read and to try it in.
pub(crate) fn page() -> String {
    closed(service().scalar_html())
}

fn service() -> OpenApiService<Described, ()> {
    super::named(Described)
}

/// poem-openapi has no word for `additionalProperties: false`. The empty schema, which says nothing there
/// and which no type of ours has, stands for it until the document is text.
fn closed(text: String) -> String {
    text.replace(r#""additionalProperties": {}"#, r#""additionalProperties": false"#)
}

/// Says of the schema of an object that it has no fields but its own; see [`closed`].
pub(super) fn no_other_fields() -> Option<Box<MetaSchemaRef>> {
    Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY))))
}

/// The shape of the API without anything behind it.
struct Described;

impl OpenApi for Described {
    /// With each path once, though several groups have operations at it.
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in Api::meta().into_iter().flat_map(|api| api.paths) {
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        Api::register(registry);
        let mut names: Vec<String> = bodies().collect();
        while let Some(name) = names.pop() {
            if let Some(schema) =
                registry.schemas.get_mut(&name).filter(|schema| schema.additional_properties.is_none())
            {
                describe_body(schema);
                names.extend(listed_in(schema));
            }
        }
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The names of the schemas of all JSON bodies.
fn bodies() -> impl Iterator<Item = String> {
    let operations = Api::meta().into_iter().flat_map(|api| api.paths).flat_map(|path| path.operations);
    let contents = operations.filter_map(|operation| operation.request).flat_map(|body| body.content);
    contents.filter(|content| content.content_type == <Json<String> as Payload>::CONTENT_TYPE).filter_map(
        |content| match content.schema {
            MetaSchemaRef::Reference(name) => Some(name),
            MetaSchemaRef::Inline(_) => None,
        },
    )
}

/// The names of the schemas that lists in a body are of.
fn listed_in(schema: &MetaSchema) -> impl Iterator<Item = String> {
    schema.properties.iter().filter_map(|(_, field)| match field {
        MetaSchemaRef::Inline(field) => match field.items.as_deref()? {
            MetaSchemaRef::Reference(name) => Some(name.clone()),
            MetaSchemaRef::Inline(_) => None,
        },
        MetaSchemaRef::Reference(_) => None,
    })
}

/// Says what poem-openapi does with a body and does not say: other fields are refused
/// (`deny_unknown_fields`), and a field that may be absent may also be null.
fn describe_body(schema: &mut MetaSchema) {
    schema.additional_properties = no_other_fields();
    for (name, field) in &mut schema.properties {
        if schema.required.contains(name) {
            continue;
        }
        *field = field.clone().merge(MetaSchema { nullable: true, ..MetaSchema::ANY });
        if let MetaSchemaRef::Inline(field) = field
            && !field.enum_items.is_empty()
        {
            field.enum_items.push(serde_json::Value::Null);
        }
    }
}
