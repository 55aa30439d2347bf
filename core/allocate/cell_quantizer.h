// SPDX-License-Identifier: Apache-2.0
// The weights of one linear as a candidate of a sensitivity table makes them, one cell at a time.
#pragma once

#include "core/allocate/sensitivity.h"

#include <array>
#include <optional>

namespace qs {

/// Relative sizes of the errors that alpha is fitted through.
inline constexpr std::array<double, 5> kNoise = {0.04, 0.08, 0.12, 0.16, 0.2};

/// What a cell says beside the errors of weights and outputs.
struct CellExtras {
    bool entropy = false, salience = false;
};

/// Quantizes linears one at a time; the last site's Sigma is kept, which linears beside it share. Everything
/// that it is made with must live as long. Not thread-safe.
class CellQuantizer {
public:
    CellQuantizer(const Model& model, const Calibration* calibration, SensitivityTable& table,
                  Backend& backend, CellExtras extras = {})
        : model_(model), calibration_(calibration), table_(table), backend_(backend), extras_(extras) {}

    /// Values of the quantized weight, [out, in]; the cell gets its errors.
    Result<Matrix> quantize(size_t row, size_t candidate, const JobContext& job);

    /// W + t ||W|| / ||E|| E, E the errors of a candidate in the middle; of standard normal values where no
    /// candidate can be applied, or one makes no error.
    Result<Matrix> withNoise(size_t row, size_t level, const JobContext& job);

    /// The weight with the `share` of its values that are smallest set to 0, and its relative squared error.
    Result<std::pair<Matrix, double>> pruned(size_t row, double share);

private:
    Result<void> drawNoise(size_t row, const JobContext& job);
    /// By bytes, of those that can be applied.
    std::optional<size_t> middleCandidate(size_t row) const;
    Result<void> readInputs(const QuantTarget& target, size_t row);
    Result<void> describe(const Matrix& values, SensitivityCell& cell);

    const Model& model_;
    const Calibration* calibration_;
    SensitivityTable& table_;
    Backend& backend_;
    CellExtras extras_;
    std::optional<size_t> row_;
    Matrix weight_;
    std::string site_;
    MatrixD sigma_;
    std::vector<double> salience_; ///< [in]: 1 / U_jj^2 of the site, once asked for
    std::optional<size_t> noiseRow_;
    Matrix noise_;
};

/// InvalidArgument when a candidate's method needs a calibration that is not there.
Result<void> checkCalibration(const SensitivityTable& table, const Calibration* calibration);

/// Entropy in bits of values in 256 bins between the extremes of `range`, of which both are made.
double binnedEntropy(ConstMatrixView values, ConstMatrixView range);

} // namespace qs
