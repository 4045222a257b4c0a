#pragma once
// On-policy distillation as MiMo does it (MOPD): the student's own answers, scored token by token by a
// teacher and as a whole by rules.
//
//   A_t  = log pi_teacher(y_t) - log pi_student(y_t)  +  reward_weight * group-relative reward
//   w_t  = pi_student(y_t) / mu(y_t) inside the importance window, else 0      (mu: the engine that sampled)
//   loss = - mean over answers of (1 / |y|) * sum over t of w_t * A_t * log pi_student(y_t)
//
// A and w carry no gradient. Source: MiMo-V2-Flash technical report, multi-teacher on-policy distillation.

#include <torch/types.h>

#include <span>
#include <vector>

#include "train/network.h"
#include "train/rollout.h"

namespace mimo {

struct DistillLossOptions {
  double teacher_weight = 1.0;  // of the first term of A; 0: rules only
  double reward_weight = 1.0;
  // The trainer and the engine round differently; a token on whose probability they differ by more than this
  // has no say.
  double importance_min = 0.5;
  double importance_max = 2.0;
};

// One answer, with what it answers.
struct DistillSample {
  std::span<const TokenId> prompt;  // not owned
  const Rollout* rollout = nullptr;
  double advantage = 0;  // the group-relative reward
};

struct DistillLoss {
  torch::Tensor loss;            // scalar, with gradients to the student
  double reverse_kl = 0;         // mean over tokens of log pi_student - log pi_teacher; 0 without a teacher
  double importance_inside = 1;  // share of tokens inside the window
  int64_t num_tokens = 0;
};

// (reward - mean) / standard deviation among the answers to one task; all 0 where they are equally good.
std::vector<double> GroupAdvantages(std::span<const double> rewards);

// `teacher` may be null: then the first term of A is 0. Requires: at least one sample, none without tokens.
DistillLoss ComputeDistillLoss(Network& student, Network* teacher, std::span<const DistillSample> samples,
                               const DistillLossOptions& options);

}  // namespace mimo
