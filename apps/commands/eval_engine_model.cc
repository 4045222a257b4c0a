#include <utility>

#include "apps/commands/eval_model.h"
#include "apps/commands/generation.h"
#include "apps/commands/model_session.h"
#include "text/output_parser.h"

namespace mimo {
namespace {

class EngineModel final : public EvalModel {
 public:
  explicit EngineModel(ModelSession session) : session_(std::move(session)) {}

  Result<EvalReply> Answer(const ChatRequest& request) override {
    MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, session_.chat_template.RenderPrompt(request));
    GenerationRequest generation;
    generation.prompt = EncodePrompt(*session_.tokenizer, prompt);
    generation.sampling.temperature = 0;
    generation.max_tokens = kEvalTokensMax;
    const auto ignore = [](const std::string&) { return Status(); };
    MIMO_ASSIGN_OR_RETURN(const GenerationOutcome outcome,
                          Generate(*session_.engine, std::move(generation), ignore));
    if (outcome.finish == FinishReason::kCancelled) {
      return MakeError(ErrorCode::kCancelled, "interrupted: nothing is reported");
    }
    OutputParserOptions options;
    options.starts_in_reasoning = session_.chat_template.StartsInReasoning(request);
    options.parse_tool_calls = !request.tools.empty();
    options.tools = request.tools;
    ParsedOutput parsed = ParseOutput(outcome.text, std::move(options));
    return EvalReply{std::move(parsed.tool_calls), std::move(parsed.content)};
  }

 private:
  ModelSession session_;
};

}  // namespace

Result<std::unique_ptr<EvalModel>> OpenEngineModel(const ModelFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(ModelSession session, OpenModelSession(flags, {.sequences_max = kEvalRequestsAtOnce,
                                                                       .decode_stretch_max = 0}));
  return std::make_unique<EngineModel>(std::move(session));
}

}  // namespace mimo
