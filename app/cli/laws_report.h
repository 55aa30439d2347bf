// SPDX-License-Identifier: Apache-2.0
// What the command laws says, as text and as JSON.
#pragma once

#include "core/report/four_bit_inputs.h"
#include "core/report/scaling_laws.h"

#include <nlohmann/json_fwd.hpp>

namespace qs::cli {

/// A run or an original as measured.
struct MeasuredPoint {
    SizedQuality at;
    double bitsPerWeight = 0; ///< stored; NaN for an original
    double nll = 0, nllStderr = 0;
    double kl = 0, klStderr = 0; ///< 0 for an original
};

struct MeasuredPoints {
    std::vector<MeasuredPoint> points;
    bool byKl = false; ///< quality is the KL from the original; else the loss: models differ
    std::string source, protocol;
    KBitLaw law;
};

/// The degradation at 2, 3 and 4 bits, and at `bits` when it is another; nothing but a hint without tokens.
struct Degradation {
    uint64_t parameters = 0;
    double tokens = 0; ///< 0: not given
    std::vector<std::pair<double, QidEstimate>> at;
};
Result<Degradation> degradationOf(const Model& model, double tokens, double bits);

std::string degradationText(const Degradation& d);
nlohmann::json degradationJson(const Degradation& d);
std::string pointsText(const MeasuredPoints& measured);
nlohmann::json pointsJson(const MeasuredPoints& measured);
std::string fourBitText(const FourBitReport& report);
nlohmann::json fourBitJson(const FourBitReport& report);

} // namespace qs::cli
