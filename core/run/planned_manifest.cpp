// SPDX-License-Identifier: Apache-2.0
#include "core/run/planned_manifest.h"

#include "core/calibrate/imatrix.h"

#include <chrono>
#include <fmt/chrono.h>

namespace qs {

Result<RunManifest> plannedManifest(const Model& model, const Plan& plan, const Calibration* calibration,
                                    const ImportanceFile* importance, const std::string& backend) {
    RunManifest m;
    m.modelPath = std::filesystem::absolute(model.checkpoint().root()).lexically_normal();
    QS_TRY(m.modelFingerprint, model.checkpoint().fingerprint());
    if (calibration) {
        m.calibrationFile = std::filesystem::absolute(calibration->file()).lexically_normal().string();
        m.calibrationFingerprint = calibration->info().fingerprint;
    }
    if (importance) {
        m.importanceFile = std::filesystem::absolute(importance->file).lexically_normal().string();
        m.importanceFingerprint = importance->fingerprint;
    }
    m.planText = plan.toJson().dump();
    m.planFingerprint = plan.fingerprint();
    m.appVersion = QS_VERSION;
    m.createdUtc = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
    m.backend = backend;
    return m;
}

} // namespace qs
