// SPDX-License-Identifier: Apache-2.0
// The cases of tests/golden/arch: tiny checkpoints with logits that an independent script computed from the
// equations (tests/golden/gen/architectures.py).
#pragma once

#include "core/base/npy.h"
#include "core/calibrate/calibration.h"
#include "core/model/forward.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace qs::test {

inline std::filesystem::path goldenCase(const std::string& name) {
    return sourceDir() / "tests/golden/arch" / name;
}

/// A copy of a case whose config.json is patched (RFC 7396: null removes a field).
inline std::filesystem::path patchedCase(const std::string& name, const nlohmann::json& patch) {
    const auto folder = scratchDir("golden");
    std::filesystem::create_symlink(goldenCase(name) / "model.safetensors", folder / "model.safetensors");
    nlohmann::json config = nlohmann::json::parse(std::ifstream(goldenCase(name) / "config.json"));
    config.merge_patch(patch);
    std::ofstream(folder / "config.json") << config.dump(1);
    return folder;
}

/// Largest |difference|; infinity when anything is NaN or the sizes differ.
inline double largestDifference(std::span<const float> a, std::span<const float> b) {
    if (a.size() != b.size()) return INFINITY;
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const double d = std::fabs(double(a[i]) - double(b[i]));
        if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
    }
    return worst;
}

inline std::vector<int32_t> goldenTokens(const std::string& name) {
    const auto tokens = windowsFromNpy(goldenCase(name) / "tokens.npy");
    if (!tokens) qFatal("%s", tokens.error().describe().c_str());
    return {tokens->span().begin(), tokens->span().end()};
}

/// The logits of case `name` within 1e-4 of those stored; also when the context is split over a batch of two.
inline void compareWithGolden(const std::string& name, const char* architecture) {
    const auto model = openModel(goldenCase(name));
    QS_VERIFY_OK(model);
    QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
    QCOMPARE((*model)->spec().architecture, std::string(architecture));
    const auto expected = readNpyFloat(goldenCase(name) / "logits.npy");
    QS_VERIFY_OK(expected);
    const auto backend = makeCpuBackend();
    const auto logits =
        computeLogits((*model)->spec(), *modelWeights(**model), goldenTokens(name), *backend, {});
    QS_VERIFY_OK(logits);
    const double worst = largestDifference(logits->span(), expected->values);
    qInfo("%s: largest difference %.3g", name.c_str(), worst);
    QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
}

/// Opening the patched case must lead to tensor level, for a reason that holds `words`.
inline void refusedBecause(const std::string& name, const nlohmann::json& patch, const std::string& words) {
    const auto model = openModel(patchedCase(name, patch));
    QS_VERIFY_OK(model);
    QVERIFY2(!(*model)->hasForward(), words.c_str());
    QVERIFY2((*model)->noForwardReason().find(words) != std::string::npos,
             (*model)->noForwardReason().c_str());
    QVERIFY(!(*model)->targets().empty());
}

/// The case, with its config.json patched, opened with a forward pass.
inline std::shared_ptr<const Model> openCase(const std::string& name, const nlohmann::json& patch = {}) {
    const auto model = openModel(patchedCase(name, patch.is_null() ? nlohmann::json::object() : patch));
    if (!model) qFatal("%s", model.error().describe().c_str());
    if (!(*model)->hasForward()) qFatal("%s", (*model)->noForwardReason().c_str());
    return *model;
}

} // namespace qs::test
