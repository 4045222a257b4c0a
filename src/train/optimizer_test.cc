#include "train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <utility>

namespace mimo {
namespace {

NetworkParameter Parameter(ParameterKind kind, const torch::Tensor& value, const torch::Tensor& gradient) {
  NetworkParameter parameter;
  parameter.name = "weight";
  parameter.kind = kind;
  parameter.value = value.clone().set_requires_grad(true);
  parameter.value.mutable_grad() = gradient.clone();
  return parameter;
}

double MaxDifference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Orthogonalize, BringsSingularValuesNearToOneWhateverTheScale) {
  torch::manual_seed(1);
  // x x^T has the squares of the singular values as its eigenvalues: between 0.6^2 and 1.3^2, their mean is
  // near to one.
  for (const double scale : {1e-4, 1.0, 1e4}) {
    const torch::Tensor x = Orthogonalize(torch::randn({3, 8, 32}) * scale);
    const torch::Tensor gram = torch::bmm(x, x.transpose(1, 2));
    const torch::Tensor off_diagonal = gram - torch::diag_embed(gram.diagonal(0, 1, 2));
    EXPECT_GT(gram.diagonal(0, 1, 2).min().item<double>(), 0.36);
    EXPECT_LT(gram.diagonal(0, 1, 2).max().item<double>(), 1.69);
    EXPECT_LT(off_diagonal.abs().max().item<double>(), 0.6);
  }
}

TEST(Orthogonalize, TreatsATallMatrixAsTheTransposedWideOne) {
  torch::manual_seed(2);
  const torch::Tensor wide = torch::randn({2, 4, 12});
  EXPECT_LT(MaxDifference(Orthogonalize(wide.transpose(1, 2)), Orthogonalize(wide).transpose(1, 2)), 1e-5);
}

TEST(Optimizer, MovesByTheLearningRateInTheFirstStepOfAdamW) {
  const torch::Tensor start = torch::zeros({2, 3});
  const NetworkParameter parameter =
      Parameter(ParameterKind::kEmbedding, start, torch::tensor({{1.0F, -2.0F, 3.0F}, {-4.0F, 5.0F, 60.0F}}));
  Optimizer optimizer({parameter}, {});
  optimizer.Step(0.01);
  EXPECT_LT(MaxDifference(parameter.value.detach(), parameter.value.grad().sign() * -0.01), 1e-6);
}

TEST(Optimizer, DecaysMatricesButNotNorms) {
  const torch::Tensor ones = torch::ones({4});
  const NetworkParameter norm = Parameter(ParameterKind::kNorm, ones, torch::zeros({4}));
  const NetworkParameter head = Parameter(ParameterKind::kHead, ones.view({2, 2}), torch::zeros({2, 2}));
  Optimizer optimizer({norm, head}, {.weight_decay = 0.5});
  optimizer.Step(0.1);
  EXPECT_EQ(MaxDifference(norm.value.detach(), ones), 0.0);
  EXPECT_NEAR(head.value[0][0].item<double>(), 0.95, 1e-6);
}

TEST(Optimizer, GivesAMuonUpdateTheSizeOfAnAdamWUpdate) {
  torch::manual_seed(3);
  const NetworkParameter parameter =
      Parameter(ParameterKind::kMatrix, torch::zeros({16, 64}), torch::randn({16, 64}));
  Optimizer optimizer({parameter}, {});
  optimizer.Step(1.0);
  const double root_mean_square = parameter.value.detach().square().mean().sqrt().item<double>();
  EXPECT_NEAR(root_mean_square, 0.2, 0.05);
}

TEST(Optimizer, TreatsEveryExpertAndEverySplitAsAMatrixOfItsOwn) {
  torch::manual_seed(4);
  const torch::Tensor gradient = torch::randn({2, 12, 16});
  const OptimizerOptions options = {.weight_decay = 0};
  NetworkParameter whole = Parameter(ParameterKind::kMatrix, torch::zeros({2, 12, 16}), gradient);
  whole.row_splits = {8, 4};
  Optimizer together({whole}, options);
  together.Step(0.1);
  for (int64_t expert = 0; expert < 2; ++expert) {
    for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 8}, {8, 4}}) {
      const torch::Tensor part = gradient[expert].narrow(0, first, count);
      const NetworkParameter alone = Parameter(ParameterKind::kMatrix, torch::zeros({count, 16}), part);
      Optimizer single({alone}, options);
      single.Step(0.1);
      EXPECT_LT(MaxDifference(whole.value.detach()[expert].narrow(0, first, count), alone.value.detach()),
                1e-5);
    }
  }
}

}  // namespace
}  // namespace mimo
