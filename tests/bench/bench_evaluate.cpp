// SPDX-License-Identifier: Apache-2.0
// What an evaluation saves that begins behind the blocks of an earlier one: the first with a cache, and one
// of a model whose last block was changed.
#include "core/evaluate/evaluate.h"
#include "core/linalg/parallel.h"
#include "tests/bench/bench.h"

#include <filesystem>
#include <random>

using namespace qs;
namespace fs = std::filesystem;

namespace {

/// Weights of which those of one linear are scaled.
class Scaled final : public WeightSource {
public:
    Scaled(std::shared_ptr<const WeightSource> base, std::string weight, float factor)
        : base_(std::move(base)), weight_(std::move(weight)), factor_(factor) {}
    Result<Matrix> matrix(const std::string& name) const override {
        QS_TRY(Matrix m, base_->matrix(name));
        for (float& v : m.span())
            v *= name == weight_ ? factor_ : 1.0f;
        return m;
    }
    std::string fingerprint() const override { return base_->fingerprint(); }
    std::string label() const override { return base_->label(); }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string weight_;
    float factor_;
};

} // namespace

QS_BENCH(evaluate_again) {
    const auto model = openModel(fs::path(QS_SOURCE_DIR) / "resources/sample/model");
    if (!model) return report.note(model.error().describe());
    const ModelSpec& spec = (*model)->spec();
    std::mt19937 rng(3);
    TokenWindows text(64, 256);
    for (int32_t& id : text.span())
        id = int32_t(rng() % spec.vocabulary);
    const fs::path folder = fs::temp_directory_path() / "quantoscope-bench-hidden";
    std::error_code ec;
    const auto backend = makeCpuBackend();
    const auto original = modelWeights(**model);
    const auto seconds = [&](float factor, bool cached) {
        const Scaled weights(original, spec.blocks.back().mlp.down.weight, factor);
        EvaluateOptions options;
        if (cached) {
            auto cache = hiddenCacheFor(**model, folder);
            if (!cache) return 0.0;
            options.cache = std::move(*cache);
        }
        const auto start = std::chrono::steady_clock::now();
        const auto e = evaluate(spec, weights, original.get(), text, options, *backend, {});
        if (!e) report.note(e.error().describe());
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    (void)seconds(0.9f, false); // warm
    const double plain = seconds(0.9f, false);
    fs::remove_all(folder, ec);
    report.line("evaluation beside the original", plain, "s");
    report.line("  the first with a cache", seconds(0.9f, true), "s", "without", plain);
    report.line("  the last block changed", seconds(0.8f, true), "s", "without", plain);
    fs::remove_all(folder, ec);
}
