// SPDX-License-Identifier: Apache-2.0
// Calibration: tokens and, per activation site, channel statistics, second moment Sigma = X^T X and a sample;
// one HDF5 file.
#pragma once

#include "core/backend/backend.h"
#include "core/metrics/channel_stats.h"
#include "core/model/model.h"

#include <filesystem>

namespace qs {

/// [windows, length] token ids: each row is its own context.
using TokenWindows = MatrixT<int32_t>;

/// Cuts one stream of ids (BOS once at the start if the tokenizer adds it) into rows of `length`; the tail is
/// dropped. At most `maxWindows` rows (0 = all). InvalidArgument when not even one window fills.
Result<TokenWindows> cutWindows(const std::vector<int>& stream, size_t length, size_t maxWindows);
/// Tokenizes a text and cuts it.
Result<TokenWindows> windowsFromText(const Tokenizer& tokenizer, const std::string& text, size_t length,
                                     size_t maxWindows);
/// Rows of an int .npy [windows, length] or [length].
Result<TokenWindows> windowsFromNpy(const std::filesystem::path& file);
/// InvalidArgument naming the first id outside [0, vocabulary).
Result<void> checkTokens(const TokenWindows& tokens, size_t vocabulary);

struct CalibrationInfo {
    std::string modelFingerprint, tokenizerFingerprint;
    std::string source;      ///< name of the text, for people
    std::string fingerprint; ///< SHA-256 over tokens, the two fingerprints and a precision other than
                             ///< float32: what results record
    Precision precision = Precision::F32; ///< of the pass it is from
    std::string activations; ///< identifies the activation dump it was made from; "" = made from tokens
    uint64_t seed = 0;
    std::string createdUtc, appVersion;
};

struct SiteRecord {
    std::string site;
    size_t channels = 0;
    uint64_t tokens = 0;
    ChannelStats stats;
    Matrix sample; ///< [n, channels], the first rows seen; n <= 64
};

/// An opened calibration file. Thread-safe; Sigma is read on demand.
class Calibration {
public:
    static Result<std::shared_ptr<const Calibration>> open(const std::filesystem::path& file);

    const std::filesystem::path& file() const { return file_; }
    const CalibrationInfo& info() const { return info_; }
    const TokenWindows& tokens() const { return tokens_; }
    const std::vector<SiteRecord>& sites() const { return sites_; }
    const SiteRecord* find(const std::string& site) const;
    /// [channels, channels], sum over tokens of x x^T, float64, symmetric.
    Result<MatrixD> sigma(const std::string& site) const;
    /// InvalidArgument, naming both fingerprints, when it was made from another model or tokenizer.
    Result<void> requireFor(const Model& model) const;

private:
    std::filesystem::path file_;
    CalibrationInfo info_;
    TokenWindows tokens_;
    std::vector<SiteRecord> sites_;
};

/// Writes a calibration file piecewise: begin, one addSite per site, commit. Nothing appears under the final
/// name before commit.
class CalibrationWriter {
public:
    static Result<std::unique_ptr<CalibrationWriter>>
    begin(const std::filesystem::path& file, const CalibrationInfo& info, const TokenWindows& tokens);
    virtual ~CalibrationWriter() = default; ///< without commit: removes the temporary file
    virtual Result<void> addSite(const SiteRecord& record, const MatrixD& sigma) = 0;
    virtual Result<void> commit() = 0;
};

struct CalibrateOptions {
    std::string source = "built-in text";
    uint64_t seed = 0;
    size_t activationBudgetBytes = size_t(2) << 30; ///< block inputs above this go to a mapped scratch file
};

/// Runs the model block by block over `tokens` and writes `file`. Memory: one block, the activations up to
/// the budget, one Sigma.
Result<std::shared_ptr<const Calibration>> calibrate(const Model& model, const TokenWindows& tokens,
                                                     const CalibrateOptions& options,
                                                     const std::filesystem::path& file, Backend& backend,
                                                     const JobContext& job);

/// Fingerprint as recorded in CalibrationInfo: that of the tokens, or, where info.activations is set, of the
/// dump (the tokens are then empty).
std::string calibrationFingerprint(const CalibrationInfo& info, const TokenWindows& tokens);
std::string calibrationFingerprint(const TokenWindows& tokens, const std::string& model,
                                   const std::string& tokenizer, Precision precision = Precision::F32);

} // namespace qs
