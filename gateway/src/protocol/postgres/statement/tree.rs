//! A parse tree as plain data: every struct a [`Tree`], every field kept.
//!
//! `pg_query` hands out 271 node kinds as generated structs. A visitor written by hand over them
//! can forget one; this one can't, because serde's derived code walks every field of every
//! struct and we only say what to keep. The same builder reads `sqlparser`'s tree.

use serde::ser::{self, Serialize};

use crate::limits;

/// Why a tree was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// A struct that the caller's list of known kinds does not hold.
    Kind(&'static str),
    /// More levels than the caller allows.
    Deep,
    /// More nodes than [`limits::STATEMENT_NODES_MAX`].
    Large,
    /// The derived code itself failed, which it never does for these trees.
    Shape,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "a construct that is not known ({kind})"),
            Self::Deep => f.write_str("nested too deeply"),
            Self::Large => f.write_str("too large"),
            Self::Shape => f.write_str("a tree that can't be read"),
        }
    }
}

impl std::error::Error for Refusal {}

impl ser::Error for Refusal {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Shape
    }
}

/// One struct of a parse tree. Fields that hold their default (absent, empty, zero, false) are
/// left out.
#[derive(Debug)]
pub(super) struct Tree {
    /// The struct's name, or the enum variant's.
    pub(super) kind: &'static str,
    fields: Vec<(&'static str, Value)>,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Value {
    /// A repeated field.
    List(Vec<Value>),
    /// A struct.
    Node(Tree),
    /// Absent, or a default.
    Nothing,
    /// Any number; `true` is 1.
    Number(i64),
    /// A string.
    Text(String),
}

/// How a tree is built.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Which structs may appear; any other refuses the tree.
    pub(super) known: fn(&'static str) -> bool,
    /// Keep enum variants as nodes of their own (`sqlparser`), or see through them (`pg_query`,
    /// where a variant only repeats its struct's name).
    pub(super) variants: bool,
    /// Deepest allowed nesting.
    pub(super) levels_max: usize,
}

impl Tree {
    /// The node in a field.
    pub(super) fn child(&self, field: &str) -> Option<&Tree> {
        match self.value(field) {
            Some(Value::Node(tree)) => Some(tree),
            _ => None,
        }
    }

    /// The text in a field, empty when absent.
    pub(super) fn text(&self, field: &str) -> &str {
        match self.value(field) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The number in a field, 0 when absent.
    pub(super) fn number(&self, field: &str) -> i64 {
        match self.value(field) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    /// The flag in a field, false when absent.
    pub(super) fn flag(&self, field: &str) -> bool {
        self.number(field) != 0
    }

    /// The values in a repeated field, empty when absent.
    pub(super) fn list(&self, field: &str) -> &[Value] {
        match self.value(field) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// The nodes in a repeated field.
    pub(super) fn nodes(&self, field: &str) -> impl Iterator<Item = &Tree> {
        self.list(field).iter().filter_map(Value::node)
    }

    /// The texts of the `String` nodes in a repeated field.
    pub(super) fn strings(&self, field: &str) -> Vec<&str> {
        self.nodes(field)
            .filter(|node| node.kind == "String")
            .map(|node| node.text("sval"))
            .collect()
    }

    /// Every node directly below this one.
    pub(super) fn children(&self) -> impl Iterator<Item = &Tree> {
        self.fields.iter().flat_map(|(_, value)| {
            let values = match value {
                Value::List(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            values.iter().filter_map(Value::node)
        })
    }

    /// Every field that holds something.
    pub(super) fn fields(&self) -> &[(&'static str, Value)] {
        &self.fields
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// True when this node or any below it satisfies the question.
    pub(super) fn any(&self, question: &dyn Fn(&Tree) -> bool) -> bool {
        question(self) || self.fields.iter().any(|(_, value)| value.any(question))
    }
}

impl Value {
    /// The node, if it is one.
    pub(super) fn node(&self) -> Option<&Tree> {
        match self {
            Self::Node(tree) => Some(tree),
            _ => None,
        }
    }

    fn any(&self, question: &dyn Fn(&Tree) -> bool) -> bool {
        match self {
            Self::List(values) => values.iter().any(|value| value.any(question)),
            Self::Node(tree) => tree.any(question),
            Self::Nothing | Self::Number(_) | Self::Text(_) => false,
        }
    }
}

/// Reads any serializable tree.
///
/// # Errors
/// A kind that is not known, too many levels, or too many nodes.
pub(super) fn read<T: Serialize>(root: &T, reading: Reading) -> Result<Value, Refusal> {
    let mut nodes_left = limits::STATEMENT_NODES_MAX;
    root.serialize(Builder { reading, level: 0, nodes_left: &mut nodes_left })
}

/// Positions say where, not what; they would only make trees larger.
fn is_position(field: &str) -> bool {
    matches!(field, "location" | "arg_location" | "payload_location" | "span")
}

struct Builder<'a> {
    reading: Reading,
    level: usize,
    nodes_left: &'a mut usize,
}

impl<'a> Builder<'a> {
    fn enter(mut self, kind: &'static str, room: usize) -> Result<Node<'a>, Refusal> {
        if !(self.reading.known)(kind) {
            return Err(Refusal::Kind(kind));
        }
        self.descend()?;
        Ok(Node { builder: self, tree: Tree { kind, fields: Vec::with_capacity(room.min(4)) } })
    }

    fn descend(&mut self) -> Result<(), Refusal> {
        self.level = self.level.saturating_add(1);
        if self.level > self.reading.levels_max {
            return Err(Refusal::Deep);
        }
        match self.nodes_left.checked_sub(1) {
            Some(left) => *self.nodes_left = left,
            None => return Err(Refusal::Large),
        }
        Ok(())
    }

    fn below(&mut self) -> Builder<'_> {
        Builder { reading: self.reading, level: self.level, nodes_left: self.nodes_left }
    }
}

struct Node<'a> {
    builder: Builder<'a>,
    tree: Tree,
}

impl Node<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refusal> {
        if is_position(name) {
            return Ok(());
        }
        match value.serialize(self.builder.below())? {
            Value::Nothing => {}
            value => self.tree.fields.push((name, value)),
        }
        Ok(())
    }
}

struct Items<'a> {
    builder: Builder<'a>,
    values: Vec<Value>,
}

impl Items<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        let value = value.serialize(self.builder.below())?;
        self.values.push(value);
        Ok(())
    }

    fn done(self) -> Value {
        if self.values.is_empty() { Value::Nothing } else { Value::List(self.values) }
    }
}

fn number(value: i64) -> Value {
    if value == 0 { Value::Nothing } else { Value::Number(value) }
}

fn text(value: &str) -> Value {
    if value.is_empty() { Value::Nothing } else { Value::Text(value.to_owned()) }
}

macro_rules! numbers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<Value, Refusal> {
            Ok(number(i64::try_from(value).unwrap_or(i64::MAX)))
        }
    )*};
}

impl<'a> ser::Serializer for Builder<'a> {
    type Ok = Value;
    type Error = Refusal;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = ser::Impossible<Value, Refusal>;
    type SerializeStruct = Node<'a>;
    type SerializeStructVariant = Node<'a>;

    numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
             serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_bool(self, value: bool) -> Result<Value, Refusal> {
        Ok(number(i64::from(value)))
    }
    fn serialize_f32(self, _: f32) -> Result<Value, Refusal> {
        Ok(Value::Nothing)
    }
    fn serialize_f64(self, _: f64) -> Result<Value, Refusal> {
        Ok(Value::Nothing)
    }
    fn serialize_char(self, value: char) -> Result<Value, Refusal> {
        Ok(Value::Text(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Value, Refusal> {
        Ok(text(value))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Refusal> {
        Err(Refusal::Shape)
    }
    fn serialize_none(self) -> Result<Value, Refusal> {
        Ok(Value::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Refusal> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, Refusal> {
        Ok(Value::Nothing)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refusal> {
        Ok(Value::Nothing)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Refusal> {
        Ok(text(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Refusal> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Refusal> {
        if !self.reading.variants {
            return value.serialize(self);
        }
        let mut node = self.enter(variant, 1)?;
        node.add("0", value)?;
        Ok(Value::Node(node.tree))
    }
    fn serialize_seq(mut self, len: Option<usize>) -> Result<Items<'a>, Refusal> {
        self.descend()?;
        Ok(Items { builder: self, values: Vec::with_capacity(len.unwrap_or(0).min(1024)) })
    }
    fn serialize_tuple(self, len: usize) -> Result<Items<'a>, Refusal> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'a>, Refusal> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Items<'a>, Refusal> {
        self.serialize_seq(Some(len))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Refusal> {
        Err(Refusal::Shape)
    }
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Node<'a>, Refusal> {
        self.enter(name, len)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Node<'a>, Refusal> {
        self.enter(variant, len)
    }
}

impl ser::SerializeStruct for Node<'_> {
    type Ok = Value;
    type Error = Refusal;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.add(name, value)
    }
    fn end(self) -> Result<Value, Refusal> {
        Ok(match self.tree.kind {
            // The wrapper around the oneof: what it holds is the node.
            "Node" => self.tree.fields.into_iter().next().map_or(Value::Nothing, |(_, node)| node),
            _ => Value::Node(self.tree),
        })
    }
}

impl ser::SerializeStructVariant for Node<'_> {
    type Ok = Value;
    type Error = Refusal;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        self.add(name, value)
    }
    fn end(self) -> Result<Value, Refusal> {
        Ok(Value::Node(self.tree))
    }
}

macro_rules! items {
    ($($trait:ident: $method:ident),*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = Value;
            type Error = Refusal;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
                self.add(value)
            }
            fn end(self) -> Result<Value, Refusal> {
                Ok(self.done())
            }
        }
    )*};
}

items!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);
