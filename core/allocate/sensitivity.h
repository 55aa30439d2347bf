// SPDX-License-Identifier: Apache-2.0
// Sensitivity: what every way to quantize every linear costs, in bytes and in damage, each linear alone. One
// table serves every budget.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/recipe/recipe.h"

#include <cmath>

namespace qs {

/// One linear with one scheme. Values are NaN until they are measured.
struct SensitivityCell {
    std::string refused;             ///< why the scheme cannot be applied; "" when it can
    uint64_t bytes = 0;              ///< exact payload
    double weightError = NAN;        ///< ||W - W'||^2 / ||W||^2
    double outputError = NAN;        ///< tr(E Sigma E^T) / tr(W Sigma W^T); needs a calibration
    double kl = NAN, klStderr = NAN; ///< mean KL(original || changed), nats per scored token
    double entropyLoss = NAN;        ///< 1 - H(W') / H(W), H in 256 bins over the range of W; at least 0
    double salienceError = NAN;      ///< sum E_ij^2 / U_jj^2 over sum W_ij^2 / U_jj^2, U^T U = Sigma^-1
    /// By how much the model's KL falls, all linears with this scheme, when this one alone is kept; at least
    /// 0. Nats per scored token.
    double keptGain = NAN;

    bool legal() const { return refused.empty(); }
    bool hasError() const { return !legal() || !std::isnan(weightError); }
    bool hasKl() const { return !legal() || !std::isnan(kl); }
};

/// One linear.
struct SensitivityRow {
    std::string module, fusedGroup;
    uint64_t weights = 0, keptBytes = 0; ///< bytes in the checkpoint
    /// KL of a relative error t of its weights is alpha t^2 for small t (Malinovskii et al. 2024,
    /// arXiv:2411.17525, section 3). Fitted through the errors of a candidate in the middle, scaled to
    /// several sizes: where weights are rotated, as in the paper, these look like its Gaussian noise; where
    /// they are not, small weights beside large ones become 0 and hardly err, which noise does not know.
    /// alphaError: root mean square of the fit's residuals, as a share of that of the measured values.
    double alpha = NAN, alphaError = NAN;
    double pruneKl = NAN, pruneError = NAN; ///< KL with half of its weights 0, and their share of ||W||^2
    /// Mean squared canonical correlation of the residual stream before and after its block, 0 .. 1.
    double blockCca = NAN;
    std::vector<SensitivityCell> cells; ///< one per candidate
};

struct SensitivityTable {
    std::string modelFingerprint;
    std::string calibrationFingerprint;    ///< "" without one
    std::string textFingerprint, protocol; ///< of what KL is measured on; "" without
    uint64_t seed = 0;
    uint64_t checkpointBytes = 0;
    std::vector<Scheme> candidates;
    std::vector<SensitivityRow> rows; ///< every target of the model, in its order

    /// Everything but what is measured: the exact bytes, and what cannot be applied.
    static Result<SensitivityTable> begin(const Model& model, std::vector<Scheme> candidates, uint64_t seed);
    /// Takes over what `known` measured of the same model, calibration, text and seed, scheme by scheme.
    void adopt(const SensitivityTable& known);

    nlohmann::json toJson() const;
    static Result<SensitivityTable> fromJson(const nlohmann::json& json, const std::string& where);
    Result<void> save(const std::filesystem::path& file) const;
    static Result<SensitivityTable> load(const std::filesystem::path& file);
};

struct SensitivityRequest {
    const Calibration* calibration = nullptr; ///< for methods that need it, and for output errors
    const TokenWindows* text = nullptr;       ///< for what runs() names
    bool linearity = false;                   ///< fit alpha of every linear
    bool alone = false;                       ///< run the model with every cell alone
    bool entropy = false;                     ///< entropies of weights before and after
    bool salience = false;                    ///< errors weighted by the inverse of Sigma
    bool prune = false;                       ///< run the model with half of each linear's weights 0
    bool cca = false;                         ///< correlate the stream before and after each block
    bool keepAlone = false; ///< run the quantized model with each linear kept; every cell anew
    bool runs() const { return linearity || alone || prune || cca || keepAlone; } ///< needs a text
    size_t activationBudgetBytes = size_t(2) << 30;
};

/// Called with the table and the row that has more values than before, on the calling thread.
using SensitivitySink = std::function<void(const SensitivityTable&, size_t row)>;

/// SensitivityTable::textFingerprint of what is measured on a text: losses in another precision are other
/// numbers.
std::string sensitivityTextFingerprint(const TokenWindows& text, Precision precision);

/// Fills in what `table` lacks and the request asks for. A cancelled job leaves what has been measured in the
/// table. InvalidArgument when a method needs a calibration that is not there. Cost: one quantization per
/// cell; with `linearity`, `prune` and `alone` the blocks from a linear's own on for each noise level, each
/// linear and each cell; with `keepAlone` the model once for each cell.
Result<void> measureSensitivity(const Model& model, const SensitivityRequest& request,
                                SensitivityTable& table, Backend& backend, const JobContext& job,
                                const SensitivitySink& measured = {});

} // namespace qs
