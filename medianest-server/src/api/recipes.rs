use super::{
    Group,
    answer::Found,
    model::{RecipeAppliedBody, RecipeBody, Text, VariantsBody},
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Error, LibraryId, Recipe, Result as CoreResult};
use poem_openapi::{OpenApi, param::Path, payload::Json};

pub(crate) struct RecipesApi(pub(super) State);

problems! {
    GetProblem: 401 403 404;
    SetProblem: 401 403 404 408 413 415;
    ApplyProblem: 401 403 404;
}

#[OpenApi(tag = "Group::Libraries")]
impl RecipesApi {
    /// What is derived from the assets of a library
    #[oai(path = "/libraries/:id/recipe", method = "get", operation_id = "getRecipe")]
    async fn get(&self, caller: Caller, id: Path<Text<LibraryId>>) -> Result<Found<RecipeBody>, GetProblem> {
        let (recipe, version) = caller.media(&self.0).recipe(id.0.0).await?;
        Ok(found(&recipe, version)?)
    }

    /// Replace the recipe of a library
    ///
    /// New assets follow it at once, those that are there when it is applied.
    #[oai(path = "/libraries/:id/recipe", method = "put", operation_id = "setRecipe")]
    async fn set(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        body: Json<RecipeBody>,
    ) -> Result<Found<RecipeBody>, SetProblem> {
        let recipe: Recipe = serde_json::from_value(body.0.variants.0)
            .map_err(|source| Error::invalid("invalid_recipe", format!("this is not a recipe: {source}")))?;
        let version = caller.media(&self.0).set_recipe(id.0.0, &recipe).await?;
        Ok(found(&recipe, version)?)
    }

    /// Make what the assets of a library lack of its recipe
    ///
    /// What is up to date is left alone. Can be repeated.
    #[oai(path = "/libraries/:id/recipe/apply", method = "post", operation_id = "applyRecipe")]
    async fn apply(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
    ) -> Result<Json<RecipeAppliedBody>, ApplyProblem> {
        let applied = caller.media(&self.0).apply_recipe(id.0.0).await?;
        Ok(Json(RecipeAppliedBody {
            assets: applied.assets,
            fresh: applied.fresh,
            declared: applied.declared,
        }))
    }
}

fn found(recipe: &Recipe, version: i64) -> CoreResult<Found<RecipeBody>> {
    let variants = serde_json::to_value(recipe)
        .map_err(|source| Error::internal("cannot write a recipe").caused_by(source))?;
    Ok(Found::new(RecipeBody { variants: VariantsBody(variants) }, version))
}
