// `mimo cache ls|verify|prune`: the prefix cache on disk, without a model.

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "apps/commands/byte_size.h"
#include "apps/commands/command.h"
#include "apps/commands/config_file.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"
#include "engine/cache_store_directory.h"

namespace mimo {
namespace {

struct CacheFlags {
  std::string action;
  std::string directory;
  std::string size;
  std::string config;
  bool json = false;
};

Json ListingJson(const CacheStoreListing& store) {
  return {{"folder", store.folder},
          {"fingerprint", store.fingerprint},
          {"segments", store.num_segments},
          {"blocks", store.num_blocks},
          {"snapshots", store.num_snapshots},
          {"tokens", store.num_tokens},
          {"branches", store.num_branches},
          {"unreachable", store.num_unreachable},
          {"damaged", store.num_damaged},
          {"payload_bytes", store.payload_bytes},
          {"bytes_on_disk", store.bytes_on_disk},
          {"last_used_unix_ms", store.last_used_ms}};
}

std::string ListingText(const CacheStoreListing& store) {
  const auto last_used = static_cast<time_t>(store.last_used_ms / 1000);
  std::string text =
      fmt::format("{}\n  {} in {} segments, last used {:%Y-%m-%d %H:%M:%S} UTC\n", store.folder,
                  ByteSizeText(store.bytes_on_disk), store.num_segments, fmt::gmtime(last_used));
  text += fmt::format("  {} tokens in {} blocks, {} branches, {} windows\n", store.num_tokens,
                      store.num_blocks, store.num_branches, store.num_snapshots);
  text += fmt::format("  {} entries that nothing leads to, {} damaged records\n", store.num_unreachable,
                      store.num_damaged);
  for (size_t begin = 0; begin < store.fingerprint.size();) {
    const size_t end = std::min(store.fingerprint.find('\n', begin), store.fingerprint.size());
    text += "    " + store.fingerprint.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return text;
}

Status List(const CacheFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const std::vector<CacheStoreListing> stores, ListCacheDirectory(flags.directory));
  uint64_t bytes = 0;
  Json list = Json::array();
  std::string text;
  for (const CacheStoreListing& store : stores) {
    bytes += store.bytes_on_disk;
    list.push_back(ListingJson(store));
    text += ListingText(store);
  }
  if (flags.json) {
    return WriteStdout(
        DumpJson({{"directory", flags.directory}, {"bytes_on_disk", bytes}, {"stores", std::move(list)}}) +
        "\n");
  }
  return WriteStdout(text + fmt::format("{} in {} stores\n", ByteSizeText(bytes), stores.size()));
}

Status Verify(const CacheFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const CacheVerification result, VerifyCacheDirectory(flags.directory));
  if (flags.json) {
    MIMO_RETURN_IF_ERROR(WriteStdout(DumpJson({{"entries", result.num_entries},
                                               {"payload_bytes", result.payload_bytes},
                                               {"unreachable", result.num_unreachable},
                                               {"damaged", result.num_damaged},
                                               {"problems", result.problems}}) +
                                     "\n"));
  } else {
    std::string text;
    for (const std::string& problem : result.problems) text += problem + "\n";
    text +=
        fmt::format("{} entries, {}, read whole: {} damaged, {} that nothing leads to\n", result.num_entries,
                    ByteSizeText(result.payload_bytes), result.num_damaged, result.num_unreachable);
    MIMO_RETURN_IF_ERROR(WriteStdout(text));
  }
  if (result.num_damaged == 0) return {};
  return DataLoss(
      "{} damaged entries ({}): they are never used; 'mimo cache prune' makes room of what it can",
      result.num_damaged, flags.directory);
}

Status Prune(const CacheFlags& flags) {
  CachePruneOptions options{.remove_useless = true};
  if (!flags.size.empty()) {
    MIMO_ASSIGN_OR_RETURN(options.bytes_max, ParseByteSize(flags.size));
  }
  MIMO_ASSIGN_OR_RETURN(const CachePruning result, PruneCacheDirectory(flags.directory, options));
  if (flags.json) {
    return WriteStdout(DumpJson({{"entries_evicted", result.num_entries_evicted},
                                 {"segments_removed", result.num_segments_removed},
                                 {"bytes_before", result.bytes_before},
                                 {"bytes_after", result.bytes_after}}) +
                       "\n");
  }
  return WriteStdout(fmt::format("{} entries evicted, {} segments removed: {} -> {}\n",
                                 result.num_entries_evicted, result.num_segments_removed,
                                 ByteSizeText(result.bytes_before), ByteSizeText(result.bytes_after)));
}

Status Run(const CacheFlags& flags) {
  if (flags.directory.empty()) {
    return InvalidArgument(
        "which cache is not given (--cache-dir): name the folder that the server was given");
  }
  if (flags.action == "ls") return List(flags);
  return flags.action == "verify" ? Verify(flags) : Prune(flags);
}

}  // namespace

void AddCacheCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<CacheFlags>();
  CLI::App* command = program.add_subcommand("cache", "the prefix cache on disk: list, check, make smaller");
  command
      ->add_option("action", flags->action,
                   "ls: what is there; verify: read all of it; prune: make it smaller")
      ->required()
      ->check(CLI::IsMember({"ls", "verify", "prune"}));
  command->add_option("--cache-dir", flags->directory, "folder of the cache")->group(kModelGroup);
  command
      ->add_option("--cache-disk", flags->size,
                   "prune: what is left takes at most this; without it only what nothing leads to goes")
      ->group(kModelGroup)
      ->check(CheckByteSize);
  command->add_option("--config", flags->config, "TOML file with defaults for these flags")
      ->envname("MIMO_CONFIG");
  command->add_flag("--json", flags->json, "one JSON document");
  command->callback([flags, action] { *action = [flags] { return Run(*flags); }; });
}

}  // namespace mimo
