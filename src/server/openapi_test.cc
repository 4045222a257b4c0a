#include "server/openapi.h"

#include <map>
#include <set>

#include "server/route_table.h"
#include "server/server_testutil.h"

namespace mimo {
namespace {

Json Document() {
  const Result<Json> document = ParseJson(OpenApiAsset());
  EXPECT_TRUE(document.has_value()) << (document ? "" : document.error().message);
  return document ? *document : Json();
}

// Path of the route table -> the document's methods there, in capitals.
std::map<std::string, std::set<std::string>> DocumentedRoutes() {
  std::map<std::string, std::set<std::string>> result;
  const Json document = Document();
  for (const auto& [path, operations] : document["paths"].items()) {
    const RouteEntry* route = FindRoute(PlainPath(path));
    EXPECT_NE(route, nullptr) << path << " is described but not served";
    if (route == nullptr) continue;
    for (const auto& [method, operation] : operations.items()) {
      if (method == "parameters") continue;
      std::string capitals = method;
      for (char& c : capitals) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      result[std::string(route->path)].insert(capitals);
    }
  }
  return result;
}

TEST(OpenApi, DescribesTheRoutesThatExistAndNoOthers) {
  const auto documented = DocumentedRoutes();
  for (const RouteEntry& route : RouteTable()) {
    const auto found = documented.find(std::string(route.path));
    ASSERT_NE(found, documented.end()) << route.path << " is served but not described";
    for (const std::string& method : found->second) {
      EXPECT_TRUE(TakesMethod(route, method)) << route.path << " does not take " << method;
    }
    for (const char* method : {"GET", "POST", "DELETE"}) {
      EXPECT_EQ(TakesMethod(route, method), found->second.contains(method)) << route.path << " " << method;
    }
  }
}

TEST(OpenApi, OpenRoutesAreThoseThatNeedNoKey) {
  const Json document = Document();
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      if (method == "parameters") continue;
      const bool is_open = operation.contains("security") && operation["security"].empty();
      EXPECT_EQ(is_open, FindRoute(PlainPath(path))->access == RouteAccess::kOpen) << path;
    }
  }
}

// An empty salt is refused where salts are read, and goes unnoticed where they are not.
TEST_F(ServerTest, DescribesCacheSaltWhereItIsTaken) {
  AnswerWith({"ok"});
  const Json document = Document();
  const std::string chat = R"({"messages":[{"role":"user","content":"hi"}],"input":"x","tokens":[65],)"
                           R"("max_tokens":4,"home":{},"name":"f","cache_salt":""})";
  const std::string completion = R"({"prompt":"x","cache_salt":""})";
  size_t num_taking = 0;
  for (const auto& [path, operations] : document["paths"].items()) {
    if (!operations.contains("post") || !operations["post"].contains("requestBody")) continue;
    const auto name = operations["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                          .get<std::string>()
                          .substr(std::string_view("#/components/schemas/").size());
    const Json& schema = document["components"]["schemas"][name];
    const bool is_described = schema.contains("properties") && schema["properties"].contains("cache_salt");
    const ClientReply reply = Post(path, path == "/v1/completions" ? completion : chat);
    const bool is_taken = reply.status == 400 && reply.body.find("cache_salt") != std::string::npos;
    EXPECT_EQ(is_taken, is_described) << path << ": " << reply.body;
    num_taking += is_taken ? 1 : 0;
  }
  EXPECT_GE(num_taking, 4U);
}

TEST_F(ServerTest, ServesItsDescription) {
  const ClientReply reply = Request("GET", "/openapi.json");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json()["openapi"], "3.1.0");
}

}  // namespace
}  // namespace mimo
