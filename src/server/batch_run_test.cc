#include "server/batch_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/server_testutil.h"

namespace mimo {
namespace {

class BatchRunTest : public testing::Test {
 protected:
  BatchRunTest() : path_(testing::TempDir() + fmt::format("batch-{}.jsonl", getpid())) { Remove(); }
  ~BatchRunTest() override { Remove(); }
  void Remove() { std::filesystem::remove(path_); }

  ServedModel MakeModel() {
    ServedModel model;
    model.id = "mimo-v2-flash";
    model.chat_template = ChatTemplate(ChatTemplateKind::kMimoV2Flash);
    model.tokenizer = std::make_unique<Tokenizer>(MakeByteTokenizer().value());
    auto engine = std::make_unique<FakeEngine>();
    engine->model_config.vocab_size = kTestVocabSize;
    engine_ = engine.get();
    model.engine = std::move(engine);
    return model;
  }
  // Answers at once with "ok", unless the test replaces it.
  void Open() {
    run_.reset();  // the lock on the file is the results'
    results_.reset();
    auto results = BatchResults::Open(path_);
    ASSERT_TRUE(results.has_value()) << results.error().message;
    results_ = std::make_unique<BatchResults>(std::move(*results));
    run_ = BatchRun::Create(MakeModel(), {.requests_max = 4}, *results_, interrupted_).value();
    engine_->on_submit = [](const GenerationRequest& /*request*/, const EventSink& sink) {
      for (GenerationEvent& event : EventsOf({"ok"}, FinishReason::kStop)) sink(std::move(event));
    };
  }
  std::vector<BatchLine> LinesToDo(std::string_view text) {
    std::vector<BatchLine> lines = ParseBatchFile(text).value();
    std::erase_if(lines, [this](const BatchLine& line) { return results_->Has(line); });
    return lines;
  }
  std::string FileText() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  // By custom_id; each has one.
  std::map<std::string, Json> Results() const {
    std::map<std::string, Json> results;
    std::istringstream lines(FileText());
    for (std::string line; std::getline(lines, line);) {
      const Json result = ParseJson(line).value();
      const std::string id = StringAt(result, "custom_id");
      EXPECT_TRUE(results.emplace(id, result).second) << id << " has two results";
    }
    return results;
  }

  const std::string path_;
  std::atomic<bool> interrupted_{false};
  std::unique_ptr<BatchResults> results_;
  std::unique_ptr<BatchRun> run_;
  FakeEngine* engine_ = nullptr;  // owned by the run
};

std::string ChatLine(std::string_view id, std::string_view more = "") {
  return fmt::format(R"({{"custom_id":"{}","method":"POST","url":"/v1/chat/completions","body":{}}})", id,
                     ChatBody(more)) +
         "\n";
}

TEST_F(BatchRunTest, EveryLineHasAResultWhateverItIs) {
  Open();
  const std::string text =
      ChatLine("chat") +
      R"({"custom_id":"text","method":"POST","url":"/v1/completions","body":{"prompt":"hi"}})" + "\n" +
      R"({"custom_id":"response","method":"POST","url":"/v1/responses","body":{"input":"hi"}})" + "\n" +
      ChatLine("refused", R"("model":"no-such-model")") + "nonsense\n";

  const auto counts = run_->Run(LinesToDo(text));

  ASSERT_TRUE(counts.has_value()) << counts.error().message;
  EXPECT_EQ(counts->answered, 5U);
  EXPECT_EQ(counts->failed, 2U);
  const std::map<std::string, Json> results = Results();
  const auto body = [&results](const char* id) { return results.at(id)["response"]["body"]; };
  EXPECT_EQ(body("chat")["choices"][0]["message"]["content"], "ok");
  EXPECT_GT(body("chat")["usage"]["cost"].get<double>(), 0.0);
  EXPECT_EQ(body("text")["choices"][0]["text"], "ok");
  EXPECT_EQ(body("response")["output"][0]["content"][0]["text"], "ok");
  EXPECT_EQ(results.at("refused")["response"]["status_code"], 404);
  EXPECT_EQ(body("refused")["error"]["code"], "model_not_found");
  EXPECT_EQ(results.at("")["error"]["line"], 5);
}

TEST_F(BatchRunTest, RequestsAreInTheEngineTogether) {
  Open();
  // The first ones end only when the fourth is there.
  engine_->on_submit = [this](const GenerationRequest& /*request*/, const EventSink& sink) {
    EXPECT_TRUE(engine_->WaitForRequests(4));
    for (GenerationEvent& event : EventsOf({"ok"}, FinishReason::kStop)) sink(std::move(event));
  };
  const std::string text = ChatLine("a") + ChatLine("b") + ChatLine("c") + ChatLine("d");

  EXPECT_EQ(run_->Run(LinesToDo(text)).value().answered, 4U);
}

TEST_F(BatchRunTest, ASecondRunDoesWhatTheFirstDidNot) {
  const std::string text = "nonsense\n" + ChatLine("a") + ChatLine("b");
  Open();
  std::vector<BatchLine> first = LinesToDo(text);
  first.pop_back();
  EXPECT_EQ(run_->Run(first).value().answered, 2U);
  std::ofstream(path_, std::ios::app) << R"({"id":"batch_req_1","custom_id":"b","resp)";  // killed here
  Open();

  const std::vector<BatchLine> rest = LinesToDo(text);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].custom_id, "b");
  EXPECT_EQ(run_->Run(rest).value().answered, 1U);

  EXPECT_EQ(Results().size(), 3U);
  EXPECT_EQ(Results().at("b")["response"]["status_code"], 200);
}

TEST_F(BatchRunTest, WhatIsInterruptedHasNoResult) {
  Open();
  engine_->on_submit = [this](const GenerationRequest& /*request*/, const EventSink& /*sink*/) {
    interrupted_ = true;
  };

  const std::string text = ChatLine("a") + ChatLine("b");
  const auto counts = run_->Run(LinesToDo(text));

  ASSERT_TRUE(counts.has_value());
  EXPECT_EQ(counts->answered, 0U);
  EXPECT_EQ(FileText(), "");
}

TEST_F(BatchRunTest, AnEngineThatFailsEndsTheRun) {
  Open();
  engine_->on_submit = [this](const GenerationRequest& /*request*/, const EventSink& sink) {
    engine_->health = Unavailable("the engine has failed");
    GenerationEvent event;
    event.finish = FinishReason::kError;
    event.error = Error{ErrorCode::kInternal, "broken"};
    sink(std::move(event));
  };

  const std::string text = ChatLine("a");
  const auto counts = run_->Run(LinesToDo(text));

  ASSERT_FALSE(counts.has_value());
  EXPECT_EQ(counts.error().message, "the engine has failed");
  EXPECT_EQ(FileText(), "");
}

TEST_F(BatchRunTest, AFileOfSomethingElseIsLeftAlone) {
  std::ofstream(path_) << ChatLine("a");

  const auto results = BatchResults::Open(path_);

  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(FileText(), ChatLine("a"));
}

TEST_F(BatchRunTest, OneFileHasOneWriter) {
  Open();

  EXPECT_EQ(BatchResults::Open(path_).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace mimo
