// The table's name carries the version of its columns: another version is another table, and nothing is
// misread.

#include "server/usage_store.h"

#include <fmt/chrono.h>
#include <sqlite3.h>

#include "base/log.h"

namespace mimo {
namespace {

constexpr int kBusyMilliseconds = 5000;  // another process is writing

constexpr char kPragmas[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;";  // a commit is on the disk before it returns

constexpr char kCreateTable[] =
    "CREATE TABLE IF NOT EXISTS usage_1 ("
    " day TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,"
    " cached_input_price INTEGER NOT NULL, input_price INTEGER NOT NULL, output_price INTEGER NOT NULL,"
    " requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,"
    " completion_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,"
    " PRIMARY KEY (day, key, model, currency, cached_input_price, input_price, output_price)"
    ") WITHOUT ROWID, STRICT";

constexpr char kAddRow[] =
    "INSERT INTO usage_1 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    " ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,"
    " prompt_tokens = prompt_tokens + excluded.prompt_tokens,"
    " cached_tokens = cached_tokens + excluded.cached_tokens,"
    " completion_tokens = completion_tokens + excluded.completion_tokens,"
    " reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens";

constexpr char kSelect[] =
    "SELECT * FROM usage_1 WHERE (?1 IS NULL OR key = ?1) AND (?2 IS NULL OR model = ?2)"
    " AND (?3 IS NULL OR day >= ?3) AND (?4 IS NULL OR day <= ?4)"
    " ORDER BY day, key, model, currency, cached_input_price, input_price, output_price";

// A statement that runs once or several times. Finalised in the end, whatever happened.
class Statement {
 public:
  Statement(sqlite3* database, const char* text) {
    // On failure the statement stays null and every call on it is an error that Step reports.
    sqlite3_prepare_v2(database, text, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int index, const std::string& text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  void Bind(int index, uint64_t number) {
    sqlite3_bind_int64(statement_, index, static_cast<sqlite3_int64>(number));
  }
  void Bind(int index, const std::optional<std::string>& text) {
    if (text) Bind(index, *text);  // unbound is NULL
  }
  // SQLITE_ROW, SQLITE_DONE or an error.
  int Step() { return sqlite3_step(statement_); }
  void Reset() { sqlite3_reset(statement_); }
  std::string Text(int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text == nullptr ? ""
                           : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }
  uint64_t Number(int column) { return static_cast<uint64_t>(sqlite3_column_int64(statement_, column)); }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace

// Not thread-safe.
class UsageStore::Database {
 public:
  static Result<std::unique_ptr<Database>> Open(const std::string& path) {
    std::unique_ptr<Database> database(new Database());
    const std::string name = path.empty() ? ":memory:" : path;
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int opened = sqlite3_open_v2(name.c_str(), &database->handle_, kFlags, nullptr);
    Status status = opened == SQLITE_OK ? Status() : database->Failure();
    if (status) {
      sqlite3_busy_timeout(database->handle_, kBusyMilliseconds);
      status = database->Execute(kPragmas);
    }
    if (status) status = database->Execute(kCreateTable);
    if (!status) return MakeError(status.error().code, "usage ({}): {}", name, status.error().message);
    return database;
  }
  ~Database() { sqlite3_close(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // All or nothing.
  Status Add(const std::map<UsageKey, UsageCounts>& rows) {
    MIMO_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
    Status status = AddRows(rows);
    if (status) status = Execute("COMMIT");
    if (!status) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    return status;
  }

  Result<std::vector<UsageRow>> Select(const UsageFilter& filter) {
    Statement select(handle_, kSelect);
    select.Bind(1, filter.key);
    select.Bind(2, filter.model);
    select.Bind(3, filter.first_day);
    select.Bind(4, filter.last_day);
    std::vector<UsageRow> rows;
    int result = 0;
    while ((result = select.Step()) == SQLITE_ROW) rows.push_back(RowOf(select));
    if (result != SQLITE_DONE) return tl::unexpected<Error>(Failure().error());
    return rows;
  }

 private:
  Database() = default;

  Status Failure() {
    const int code = sqlite3_errcode(handle_) & 0xff;
    const bool is_damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return MakeError(is_damaged ? ErrorCode::kDataLoss : ErrorCode::kUnavailable, "{}",
                     sqlite3_errmsg(handle_));
  }
  Status Execute(const char* text) {
    return sqlite3_exec(handle_, text, nullptr, nullptr, nullptr) == SQLITE_OK ? Status() : Failure();
  }

  Status AddRows(const std::map<UsageKey, UsageCounts>& rows) {
    Statement add(handle_, kAddRow);
    for (const auto& [key, counts] : rows) {
      add.Bind(1, key.day);
      add.Bind(2, key.key);
      add.Bind(3, key.model);
      add.Bind(4, key.price.currency);
      const uint64_t numbers[] = {key.price.cached_input,   key.price.input,        key.price.output,
                                  counts.requests,          counts.tokens.prompt,   counts.tokens.cached,
                                  counts.tokens.completion, counts.tokens.reasoning};
      int index = 5;
      for (const uint64_t number : numbers) add.Bind(index++, number);
      if (add.Step() != SQLITE_DONE) return Failure();
      add.Reset();
    }
    return {};
  }

  static UsageRow RowOf(Statement& row) {
    return {.key = {.day = row.Text(0),
                    .key = row.Text(1),
                    .model = row.Text(2),
                    .price = {.currency = row.Text(3),
                              .cached_input = row.Number(4),
                              .input = row.Number(5),
                              .output = row.Number(6)}},
            .counts = {.requests = row.Number(7),
                       .tokens = {.prompt = row.Number(8),
                                  .cached = row.Number(9),
                                  .completion = row.Number(10),
                                  .reasoning = row.Number(11)}}};
  }

  sqlite3* handle_ = nullptr;
};

UsageCounts& UsageCounts::operator+=(const UsageCounts& other) {
  requests += other.requests;
  tokens += other.tokens;
  return *this;
}

Result<std::unique_ptr<UsageStore>> UsageStore::Open(const UsageStoreOptions& options) {
  MIMO_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(options.path));
  const std::string today = UsageDay(std::chrono::system_clock::now());
  MIMO_ASSIGN_OR_RETURN(const std::vector<UsageRow> rows,
                        database->Select({.key = {}, .model = {}, .first_day = today, .last_day = today}));
  std::unique_ptr<UsageStore> store(new UsageStore(std::move(database)));
  for (const UsageRow& row : rows) store->AddToToday(row.key, row.counts);
  store->writer_ =
      std::thread([own = store.get(), interval = options.flush_interval] { own->Run(interval); });
  return store;
}

UsageStore::UsageStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

UsageStore::~UsageStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopping_changed_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (const Status status = Flush(); !status) {
    LogLine(LogLevel::kError, "the last usage is lost: " + status.error().message);
  }
}

void UsageStore::Add(const UsageKey& key, const UsageCounts& counts) {
  const std::lock_guard lock(mutex_);
  pending_[key] += counts;
  AddToToday(key, counts);
}

// A late request of the day before is not today's any more.
void UsageStore::AddToToday(const UsageKey& key, const UsageCounts& counts) {
  if (!today_.empty() && key.day < today_.begin()->first.day) return;
  if (!today_.empty() && key.day > today_.begin()->first.day) today_.clear();
  UsageKey own = key;
  own.model.clear();
  today_[own] += counts;
}

std::vector<UsageRow> UsageStore::Today(std::chrono::system_clock::time_point now) {
  const std::string day = UsageDay(now);
  std::vector<UsageRow> rows;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, counts] : today_) {
    if (key.day == day) rows.push_back({key, counts});
  }
  return rows;
}

Status UsageStore::Flush() {
  const std::lock_guard database_lock(database_mutex_);
  std::map<UsageKey, UsageCounts> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(pending_);
  }
  if (batch.empty()) return {};
  Status status = database_->Add(batch);
  if (!status) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, counts] : batch) pending_[key] += counts;
  }
  return status;
}

void UsageStore::Run(std::chrono::milliseconds flush_interval) {
  bool failed_before = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (stopping_changed_.wait_for(lock, flush_interval, [this] { return stopping_; })) return;
    }
    const Status status = Flush();
    if (!status && !failed_before) {
      LogWarning("usage is kept in memory for now: {}", status.error().message);
    }
    failed_before = !status;
  }
}

Result<std::vector<UsageRow>> UsageStore::Query(const UsageFilter& filter) {
  MIMO_RETURN_IF_ERROR(Flush());
  const std::lock_guard lock(database_mutex_);
  return database_->Select(filter);
}

std::string UsageDay(std::chrono::system_clock::time_point now) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
}

}  // namespace mimo
