#include "train/launch_workers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

namespace mimo {
namespace {

constexpr int kExitCannotRun = 127;

// A port that is free now. Another program may take it before the first worker does; that worker then says
// so.
Result<int> FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound =
      descriptor >= 0 && bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0;
  const int reason = errno;
  if (descriptor >= 0) close(descriptor);
  if (!bound) return Unavailable("no free port on 127.0.0.1 (--processes): {}", std::strerror(reason));
  return int{ntohs(address.sin_port)};
}

void SetVariable(const char* name, int value) { setenv(name, std::to_string(value).c_str(), 1); }

struct WorkerPlace {
  int rank = 0;
  int count = 1;
  int port = 0;
};

// In the child. A process group of its own, so that Ctrl-C reaches a worker once, through its parent.
[[noreturn]] void BecomeWorker(const WorkerPlace& place, const sigset_t& signals,
                               const std::vector<std::string>& arguments) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  SetVariable("RANK", place.rank);
  SetVariable("WORLD_SIZE", place.count);
  setenv("MASTER_ADDR", "127.0.0.1", 1);
  SetVariable("MASTER_PORT", place.port);
  // Read when the libraries start, before main.
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) {
    SetVariable(name, std::max(1, cores / place.count));
  }
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  _exit(kExitCannotRun);
}

void SignalAll(const std::vector<pid_t>& workers, int signal) {
  for (const pid_t worker : workers) {
    if (worker > 0) kill(worker, signal);
  }
}

struct Failure {
  size_t rank = 0;
  int wait_status = 0;
};

// Takes the workers that have ended off the list (their pid becomes 0).
void Reap(std::vector<pid_t>& workers, std::optional<Failure>& failure) {
  for (size_t rank = 0; rank < workers.size(); ++rank) {
    int wait_status = 0;
    if (workers[rank] <= 0 || waitpid(workers[rank], &wait_status, WNOHANG) != workers[rank]) continue;
    workers[rank] = 0;
    if (wait_status == 0 || failure.has_value()) continue;
    failure = Failure{.rank = rank, .wait_status = wait_status};
    SignalAll(workers, SIGKILL);  // they would wait for the lost one in the next sum
  }
}

Status Wait(std::vector<pid_t>& workers, const sigset_t& awaited) {
  std::optional<Failure> failure;
  for (Reap(workers, failure); std::any_of(workers.begin(), workers.end(), [](pid_t pid) { return pid > 0; });
       Reap(workers, failure)) {
    const int signal = sigwaitinfo(&awaited, nullptr);
    if (signal == SIGINT || signal == SIGTERM) SignalAll(workers, signal);
  }
  if (!failure.has_value()) return {};
  if (WIFSIGNALED(failure->wait_status)) {
    return Unavailable("worker {} of {} was ended by signal {}: start again with --resume", failure->rank,
                       workers.size(), WTERMSIG(failure->wait_status));
  }
  return Unavailable("worker {} of {} failed (exit code {}): its message stands above", failure->rank,
                     workers.size(), WEXITSTATUS(failure->wait_status));
}

}  // namespace

bool IsWorker() { return std::getenv("RANK") != nullptr && std::getenv("WORLD_SIZE") != nullptr; }

Status RunWorkers(int count, const std::vector<std::string>& arguments) {
  MIMO_ASSIGN_OR_RETURN(const int port, FreePort());
  sigset_t awaited;
  sigset_t previous;
  sigemptyset(&awaited);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&awaited, signal);
  sigprocmask(SIG_BLOCK, &awaited, &previous);
  std::vector<pid_t> workers;
  Status status;
  for (int rank = 0; rank < count; ++rank) {
    const pid_t pid = fork();
    if (pid == 0) BecomeWorker({.rank = rank, .count = count, .port = port}, previous, arguments);
    if (pid < 0) {
      status = Unavailable("cannot start worker {} of {}: {}", rank, count, std::strerror(errno));
      SignalAll(workers, SIGKILL);
      break;
    }
    workers.push_back(pid);
  }
  const Status waited = Wait(workers, awaited);
  sigprocmask(SIG_SETMASK, &previous, nullptr);
  return status.has_value() ? waited : status;
}

}  // namespace mimo
