//! Conditions and comparisons.

use pg_query::protobuf::{AExprKind, SubLinkType};

use super::super::functions;
use super::super::tree::Tree;
use super::flow::{Name, Ref};
use super::results::is_star;
use super::{Fate, Uses};
use crate::protocol::How;

impl<'a> Uses<'a> {
    /// A condition on rows. What compares a column with nothing but a value that the client gave
    /// is told apart from the rest.
    pub(super) fn condition(&mut self, tree: &'a Tree) {
        match tree.kind {
            "BoolExpr" => tree.nodes("args").for_each(|one| self.condition(one)),
            "NullTest" => match tree.child("arg").and_then(|arg| self.plain(arg)) {
                Some(one) => self.matched(one),
                None => self.fields(tree, &Fate::Compared),
            },
            "AExpr" => {
                let sides = (tree.child("lexpr"), tree.child("rexpr"));
                let (Some(left), Some(right)) = sides else {
                    return self.fields(tree, &Fate::Compared);
                };
                if !is_equality(tree) {
                    return self.operator(tree, &Fate::Compared);
                }
                match (self.plain(left), self.plain(right)) {
                    (Some(one), Some(other)) => self.joined(one, other),
                    (Some(one), None) if is_given(right) => self.matched(one),
                    (None, Some(one)) if is_given(left) => self.matched(one),
                    _ => self.fields(tree, &Fate::Compared),
                }
            }
            _ => self.value(tree, &Fate::Compared),
        }
    }

    fn matched(&mut self, one: Ref<'a>) {
        if let Name::Column(name) = one.name {
            self.add(How::Matched, one.relation, name);
        }
    }

    fn joined(&mut self, one: Ref<'a>, other: Ref<'a>) {
        for (one, other) in [(one, other), (other, one)] {
            if let (Name::Column(name), Name::Column(column)) = (one.name, other.name) {
                let relation =
                    other.relation.and_then(|index| self.flow.relations.get(index).cloned());
                let with = (relation.unwrap_or_default(), column.to_owned());
                self.add(How::Joined { with }, one.relation, name);
            }
        }
    }

    /// A reference that is one column of a relation and nothing else.
    fn plain(&self, tree: &'a Tree) -> Option<Ref<'a>> {
        if tree.kind != "ColumnRef" || is_star(Some(tree)) {
            return None;
        }
        match self.flow.column(tree).as_slice() {
            [one] if matches!(one.name, Name::Column(_)) && self.flow.atoms(*one).1 => Some(*one),
            _ => None,
        }
    }

    pub(super) fn operator(&mut self, tree: &'a Tree, fate: &Fate) {
        let kind = i32::try_from(tree.number("kind")).ok();
        let kind = kind.and_then(|number| AExprKind::try_from(number).ok());
        let names = tree.strings("name");
        let sign = names.last().copied().unwrap_or_default();
        let inner = match kind {
            // NULL or not NULL is in the open, so this compares.
            Some(AExprKind::AexprNullif) => Fate::Compared,
            Some(
                AExprKind::AexprDistinct
                | AExprKind::AexprNotDistinct
                | AExprKind::AexprIn
                | AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym,
            ) => fate.changed(),
            Some(AExprKind::AexprOp | AExprKind::AexprOpAny | AExprKind::AexprOpAll)
                if functions::is_total_operator(sign) =>
            {
                fate.changed()
            }
            _ => fate.computed(if sign.is_empty() { "an operator" } else { sign }),
        };
        self.fields(tree, &inner);
    }

    pub(super) fn sublink(&mut self, tree: &'a Tree, fate: &Fate) {
        let test = tree.child("testexpr");
        let shows = tree.number("sub_link_type") == SubLinkType::ExistsSublink as i64;
        let fate = fate.changed();
        test.into_iter().for_each(|test| self.value(test, &fate));
        if let Some(query) = tree.child("subselect") {
            // EXISTS looks at no column of its query's result.
            self.select(query, &[if shows { Fate::Shown } else { fate }]);
        }
    }

    pub(super) fn join(&mut self, tree: &'a Tree) {
        let sides = || ["larg", "rarg"].into_iter().filter_map(|side| tree.child(side));
        sides().for_each(|side| self.from(side));
        tree.child("quals").into_iter().for_each(|quals| self.condition(quals));
        for name in tree.strings("using_clause") {
            let one = Ref { relation: None, name: Name::Column(name) };
            if self.flow.atoms(one).1 {
                self.joined(one, one);
            } else {
                self.note(one, &Fate::Compared);
            }
        }
        if tree.flag("is_natural") {
            let refs: Vec<_> = sides().flat_map(|side| self.flow.star_of(side)).collect();
            self.note_all(refs, &Fate::Compared);
        }
    }
}

/// `=`, `<>`, IN and `= ANY`: what they say of a value is whether it is a given one.
fn is_equality(tree: &Tree) -> bool {
    let kind = i32::try_from(tree.number("kind")).ok();
    let names = tree.strings("name");
    let own = matches!(names.as_slice(), [_] | ["pg_catalog", _]);
    let equal = names.last().is_some_and(|sign| matches!(*sign, "=" | "<>"));
    own && equal
        && matches!(
            kind.and_then(|number| AExprKind::try_from(number).ok()),
            Some(
                AExprKind::AexprOp
                    | AExprKind::AexprOpAny
                    | AExprKind::AexprOpAll
                    | AExprKind::AexprDistinct
                    | AExprKind::AexprNotDistinct
                    | AExprKind::AexprIn
            )
        )
}

/// A literal, a parameter, or a list of them.
fn is_given(tree: &Tree) -> bool {
    match tree.kind {
        "AConst" | "ParamRef" => true,
        "TypeCast" => tree.child("arg").is_some_and(is_given),
        "AArrayExpr" => tree.nodes("elements").all(is_given),
        "List" => tree.nodes("items").all(is_given),
        _ => false,
    }
}
