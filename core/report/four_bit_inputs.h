// SPDX-License-Identifier: Apache-2.0
// Can a model run with 4-bit weights and 4-bit inputs (W4A4)? Answered site by site from what a calibration
// recorded: the published answer is that encoders can and decoders lose (Wu et al. 2023, "Understanding INT4
// Quantization for Transformers", arXiv:2301.12017), because of the inputs.
#pragma once

#include "core/calibrate/calibration.h"

namespace qs {

/// What 4-bit inputs take, the cheapest first.
enum class FourBitVerdict {
    AsItIs,       ///< rounding tokens to int4 loses little
    Smoothed,     ///< once channels are divided by factors that are folded into the model
    Rotated,      ///< once channels are rotated, folded into the weights
    RotatedInRun, ///< the same, but the rotation has to be done while the model runs
    NotInFour,    ///< none of these is enough: eight bits
    NotKnown,     ///< no token got there, or the calibration has no sample of it
};
const char* fourBitVerdictId(FourBitVerdict verdict);   ///< "as_is", "smoothed", ...
const char* fourBitVerdictText(FourBitVerdict verdict); ///< "4 bits as it is", "4 bits once smoothed", ...

/// The rule: of the outputs that read a site, this share of their energy may be lost, (y - y')^2 over y^2,
/// mean over tokens; x' is x with every token rounded to int4 by one symmetric scale of its own (the preset
/// "int4"). Normal inputs lose (m / 7)^2 / 12 when the largest of a token is m standard deviations: 0.02 with
/// 1000 channels, 0.03 with 16000; the limit is about twice that. Outputs count, not inputs: next to a
/// channel that is large enough, inputs lose a small share of their energy when all others become 0.
inline constexpr double kFourBitLimit = 0.05;
/// Outputs that are looked at of every linear, evenly spaced: rows i * rows / kFourBitOutputs.
inline constexpr size_t kFourBitOutputs = 64;

struct FourBitSite {
    std::string site;
    int block = -1;
    std::string linears; ///< roles that read it: "q, k, v"
    size_t channels = 0;
    size_t sampled = 0;      ///< tokens that were rounded
    double outlierRatio = 0; ///< maxMedianRatio of the whole calibration
    double kurtosis = 0;     ///< of the sampled values; normal 3
    bool folds = false;      ///< factors of its channels can be folded into what writes them
    bool rotates = false;    ///< so can a rotation
    std::string activation; ///< "silu" where a nonlinearity's outputs arrive (times `up` when gated), else ""
    /// Lost as it is, smoothed (s = sqrt(max |x| / max |w|) of each channel: SmoothQuant's alpha 0.5, over
    /// the outputs that are looked at) and rotated (a seeded Hadamard rotation of x and w). NaN when not
    /// known.
    double plain = 0, smoothed = 0, rotated = 0;
    FourBitVerdict verdict = FourBitVerdict::NotKnown;
    std::string rule; ///< "8.2 % lost as it is, 3.1 % once smoothed: limit 5 %"
};

struct FourBitReport {
    std::string architecture;
    bool causal = true;
    std::vector<FourBitSite> sites;                    ///< in order of use
    FourBitVerdict verdict = FourBitVerdict::NotKnown; ///< the worst that is known
    std::string published;                             ///< what the paper found for this kind of model
    std::string noRotation;                            ///< why the model cannot be rotated, "" when it can
    size_t count(FourBitVerdict verdict) const;
};

/// Reads norms, some rows of every linear, and the calibration's samples. Unsupported without a forward pass;
/// InvalidArgument when the calibration belongs to another model or a sample does not fit its site.
Result<FourBitReport> fourBitInputs(const Model& model, const Calibration& calibration,
                                    const JobContext& job);

/// What int4 tokens x [tokens, channels] take from the outputs x w^T, w [outputs, channels]: the share above,
/// over tokens whose outputs are not all 0; NaN when all are. `factors` [channels] > 0 or empty, see
/// RowRounder.
Result<double> lostInFourBits(ConstMatrixView x, ConstMatrixView w, std::vector<float> factors = {});

} // namespace qs
