#include "text/grammar_either.h"

#include <algorithm>
#include <utility>

#include "text/grammar_program.h"

namespace mimo {
namespace {

// How far the parts of the second program move.
struct Offsets {
  uint32_t nodes;
  uint32_t terminals;
  uint32_t objects;
  uint32_t arrays;

  GrammarNodeId Moved(GrammarNodeId node) const { return node == kNoGrammarNode ? node : node + nodes; }
};

GrammarNode Moved(GrammarNode node, const Offsets& offsets) {
  switch (node.kind) {
    case GrammarNode::Kind::kTerminal:
    case GrammarNode::Kind::kString:
      node.index += offsets.terminals;
      break;
    case GrammarNode::Kind::kObject:
      node.index += offsets.objects;
      break;
    case GrammarNode::Kind::kArray:
      node.index += offsets.arrays;
      break;
    case GrammarNode::Kind::kSequence:
    case GrammarNode::Kind::kChoice:
    case GrammarNode::Kind::kRepeat:
      break;
  }
  for (GrammarNodeId& child : node.children) child = offsets.Moved(child);
  return node;
}

GrammarObject Moved(GrammarObject object, const Offsets& offsets) {
  for (GrammarNodeId* node : {&object.open, &object.separator, &object.close, &object.close_empty}) {
    *node = offsets.Moved(*node);
  }
  for (GrammarObject::Entry& entry : object.entries) entry.value = offsets.Moved(entry.value);
  return object;
}

GrammarArray Moved(GrammarArray array, const Offsets& offsets) {
  for (GrammarNodeId* node : {&array.open, &array.separator, &array.close, &array.close_empty, &array.rest}) {
    *node = offsets.Moved(*node);
  }
  for (GrammarNodeId& node : array.prefix) node = offsets.Moved(node);
  return array;
}

}  // namespace

// One program behind the other, with a choice above both.
GrammarPtr GrammarEither(const GrammarPtr& first, const GrammarPtr& second) {
  auto program = std::make_unique<GrammarProgram>(first->program());
  const GrammarProgram& other = second->program();
  const Offsets offsets = {.nodes = static_cast<uint32_t>(program->nodes.size()),
                           .terminals = static_cast<uint32_t>(program->terminals.size()),
                           .objects = static_cast<uint32_t>(program->objects.size()),
                           .arrays = static_cast<uint32_t>(program->arrays.size())};
  for (const GrammarNode& node : other.nodes) program->nodes.push_back(Moved(node, offsets));
  program->terminals.insert(program->terminals.end(), other.terminals.begin(), other.terminals.end());
  for (const GrammarObject& object : other.objects) program->objects.push_back(Moved(object, offsets));
  for (const GrammarArray& array : other.arrays) program->arrays.push_back(Moved(array, offsets));
  program->depth_max = std::max(program->depth_max, other.depth_max);
  const GrammarNodeId other_root = offsets.Moved(other.root);
  const uint32_t height = std::min(program->nodes[program->root].height, program->nodes[other_root].height);
  program->nodes.push_back(
      {.kind = GrammarNode::Kind::kChoice, .height = height, .children = {program->root, other_root}});
  program->root = static_cast<GrammarNodeId>(program->nodes.size() - 1);
  return std::make_shared<const Grammar>(std::move(program));
}

}  // namespace mimo
