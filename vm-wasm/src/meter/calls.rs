//! Who calls whom, and so which functions have to count the height of the stack.
//!
//! A function that is on no cycle of the call graph is on the stack once at most. So small ones do not count: the longest
//! chain of them is set aside at the start. Those on cycles, and large ones, add their units to the word around their calls.
//! An indirect call may reach every function of its type that is used as a value.

#![allow(clippy::indexing_slicing, reason = "all indices are those of nodes, which `Graph::new` bounds")]

use std::collections::BTreeMap;

use wasmparser::{BinaryReader, FuncType, FunctionBody, Operator, Parser, Payload};

use super::MeterError;
use crate::gate::Checked;

/// Functions of more units count even if they are on no cycle.
const SMALL: u64 = 256;

/// What the call graph says of every function that the module defines, and of every type as the target of indirect calls.
#[derive(Debug)]
pub(super) struct Calls {
    nodes: Vec<Node>,
    functions: usize,
    canonical: Vec<usize>,
    /// The units that functions which count may use together.
    pub(super) units: u64,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Node {
    /// Whether it is on a cycle.
    pub(super) recursive: bool,
    /// Whether it adds its units around its calls, and checks at its entry.
    pub(super) counts: bool,
    /// Whether it, or what it calls in any number of steps, counts.
    pub(super) reaches: bool,
}

impl Calls {
    /// Reads the graph of a module whose calls may use `limit` units in all; no function needs more.
    pub(super) fn new(checked: &Checked<'_>, limit: u64) -> Result<Self, MeterError> {
        let graph = Graph::new(checked)?;
        let components = graph.components();
        let (mut nodes, mut reserve) = graph.judge(&components, &checked.units, false);
        if reserve > limit {
            (nodes, reserve) = graph.judge(&components, &checked.units, true);
        }
        let units = limit.saturating_sub(reserve);
        Ok(Self { nodes, functions: checked.units.len(), canonical: graph.canonical, units })
    }

    /// A function, by its number among those that the module defines.
    pub(super) fn function(&self, defined: usize) -> Node {
        self.nodes.get(defined).copied().unwrap_or_default()
    }

    /// The functions that an indirect call with this type may reach.
    pub(super) fn indirect(&self, ty: u32) -> Node {
        let node = self.canonical.get(ty as usize).map(|ty| self.function(self.functions + ty));
        node.unwrap_or_default()
    }
}

/// Functions, and behind them types; an edge leads from who calls to what is called.
struct Graph {
    edges: Vec<Vec<usize>>,
    /// For every type, the first that is equal.
    canonical: Vec<usize>,
}

impl Graph {
    fn new(checked: &Checked<'_>) -> Result<Self, MeterError> {
        let mut first: BTreeMap<&FuncType, usize> = BTreeMap::new();
        let canonical: Vec<usize> =
            checked.types.iter().enumerate().map(|(index, ty)| *first.entry(ty).or_insert(index)).collect();
        let (imported, functions) = (checked.imports.len(), checked.units.len());
        let target = |node: usize| (node < functions + canonical.len()).then_some(node);
        let function = |index: u32| target((index as usize).checked_sub(imported)?).filter(|node| *node < functions);
        let indirect = |ty: u32| Some(functions + canonical.get(ty as usize)?);

        let mut edges = vec![Vec::new(); functions + canonical.len()];
        for index in &checked.referenced {
            let ty = checked.functions.get(*index as usize).and_then(|ty| indirect(*ty));
            if let (Some(ty), Some(function)) = (ty, function(*index)) {
                edges[ty].push(function);
            }
        }
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(checked.bytes) {
            if let Payload::CodeSectionEntry(body) = payload? {
                bodies.push(body);
            }
        }
        bodies.extend(checked.generated.iter().map(|entry| FunctionBody::new(BinaryReader::new(entry, 0))));
        for (edges, body) in edges.iter_mut().zip(bodies) {
            for op in body.get_operators_reader()? {
                edges.extend(match op? {
                    Operator::Call { function_index } => function(function_index),
                    Operator::CallIndirect { type_index, .. } => indirect(type_index),
                    _ => None,
                });
            }
            edges.sort_unstable();
            edges.dedup();
        }
        Ok(Self { edges, canonical })
    }

    /// The strongly connected components, callees before callers: Tarjan's algorithm, with a stack of its own.
    fn components(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.edges.len();
        let (mut order, mut low, mut open) = (vec![UNSEEN; count], vec![0; count], vec![false; count]);
        let (mut next, mut pending, mut out) = (0, Vec::new(), Vec::new());
        for root in 0..count {
            let mut path = if order[root] == UNSEEN { vec![(root, 0)] } else { continue };
            while let Some((node, edge)) = path.last_mut() {
                let node = *node;
                if order[node] == UNSEEN {
                    (order[node], low[node], open[node]) = (next, next, true);
                    next += 1;
                    pending.push(node);
                }
                if let Some(callee) = self.edges[node].get(*edge).copied() {
                    *edge += 1;
                    if order[callee] == UNSEEN {
                        path.push((callee, 0));
                    } else if open[callee] {
                        low[node] = low[node].min(order[callee]);
                    }
                    continue;
                }
                path.pop();
                if let Some((caller, _)) = path.last() {
                    low[*caller] = low[*caller].min(low[node]);
                }
                if low[node] == order[node] {
                    let start = pending.iter().rposition(|member| *member == node).unwrap_or_default();
                    let component = pending.split_off(start);
                    component.iter().for_each(|member| open[*member] = false);
                    out.push(component);
                }
            }
        }
        out
    }

    /// What every node is, and how many units must be set aside: for the longest chain of functions that do not count, and
    /// for the largest that does, since it adds its units only when it calls.
    fn judge(&self, components: &[Vec<usize>], units: &[u64], all: bool) -> (Vec<Node>, u64) {
        let mut nodes = vec![Node::default(); self.edges.len()];
        let mut chains = vec![0u64; self.edges.len()];
        let (mut longest, mut largest) = (0, 0);
        for component in components {
            let callees = || component.iter().flat_map(|node| self.edges[*node].iter().copied());
            let recursive = component.len() > 1 || callees().any(|callee| component.contains(&callee));
            let counts = |node: usize| units.get(node).is_some_and(|units| all || recursive || *units > SMALL);
            let reaches = component.iter().any(|node| counts(*node)) || callees().any(|callee| nodes[callee].reaches);
            let mut chain = callees().map(|callee| chains[callee]).max().unwrap_or_default();
            for node in component {
                let own = units.get(*node).copied().unwrap_or_default();
                nodes[*node] = Node { recursive, counts: counts(*node), reaches };
                if counts(*node) {
                    largest = largest.max(own);
                } else {
                    chain = chain.saturating_add(own);
                }
            }
            component.iter().for_each(|node| chains[*node] = chain);
            longest = longest.max(chain);
        }
        (nodes, longest.saturating_add(largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[usize]]) -> Graph {
        Graph { edges: edges.iter().map(|edges| edges.to_vec()).collect(), canonical: Vec::new() }
    }

    fn judged(edges: &[&[usize]], units: &[u64], all: bool) -> (String, String, u64) {
        let graph = graph(edges);
        let (nodes, reserve) = graph.judge(&graph.components(), units, all);
        let list = |is: fn(&Node) -> bool| {
            let found = nodes.iter().enumerate().filter(|(_, node)| is(node));
            found.map(|(index, _)| index.to_string()).collect::<Vec<_>>().join(" ")
        };
        (list(|node| node.counts), list(|node| node.reaches), reserve)
    }

    #[test]
    fn a_chain_does_not_count() {
        assert_eq!(judged(&[&[1, 2], &[2], &[]], &[10, 20, 30], false), ("".into(), "".into(), 60));
    }

    #[test]
    fn cycles_and_large_functions_count() {
        // 0 calls 1, which calls 2 and back, which calls 3; 4 calls itself; 5 is large; 6 calls 5.
        let edges: [&[usize]; 7] = [&[1], &[2], &[1, 3], &[], &[4], &[], &[5]];
        let units = [10, 20, 30, 40, 50, 257, 60];
        assert_eq!(judged(&edges, &units, false), ("1 2 4 5".into(), "0 1 2 4 5 6".into(), 60 + 257));
        assert_eq!(judged(&edges, &units, true).0, "0 1 2 3 4 5 6");
    }

    #[test]
    fn types_are_on_cycles_and_have_no_units() {
        // 0 calls indirectly (node 2) what may be 0 and 1.
        assert_eq!(judged(&[&[2], &[], &[0, 1]], &[10, 20], false), ("0".into(), "0 2".into(), 30));
    }

    #[test]
    fn components_come_callees_first() {
        let graph = graph(&[&[1], &[2, 3], &[0], &[4], &[], &[0]]);
        assert_eq!(graph.components(), [vec![4], vec![3], vec![0, 1, 2], vec![5]]);
    }

    #[test]
    fn deep_graphs_need_no_native_stack() {
        let edges: Vec<Vec<usize>> =
            (1..=100_000).map(|callee| if callee < 100_000 { vec![callee] } else { vec![] }).collect();
        assert_eq!(Graph { edges, canonical: Vec::new() }.components().len(), 100_000);
    }
}
