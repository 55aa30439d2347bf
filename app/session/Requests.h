// SPDX-License-Identifier: GPL-3.0-or-later
// What the session's operations are asked and what they hand back, as plain values.
#pragma once

#include "core/evaluate/evaluate.h"
#include "core/export/exporter.h"

#include <QString>

namespace qs::app {

/// A text and how it is cut. Empty file: the text that comes with the program.
struct TextRequest {
    QString file;
    int windowLength = 256;
    int windows = 64; ///< at most; 0 = all
};

/// Reads and cuts the text; a worker's work. `evaluation` chooses which built-in text.
Result<TokenWindows> windowsFor(const Model& model, const TextRequest& request, bool evaluation);
/// For people: the file's name, or "built-in text".
QString textName(const TextRequest& request);

struct CalibrateRequest {
    TextRequest text;
    quint64 seed = 0;
    QString output; ///< "": in the cache, by what it is made from
};

struct EvaluateRequest {
    TextRequest text;
    bool original = true;                           ///< the model itself
    bool run = true;                                ///< the run, if there is one, compared with the model
    std::vector<std::shared_ptr<const Run>> others; ///< further runs of the model, measured likewise
};

struct ExportOptions {
    QString exporter; ///< registry id
    QString directory;
    Params params;
};

/// The original and the run (or the model alone), under one protocol. `after` is empty without a run.
struct EvaluationPair {
    std::optional<Evaluation> before, after;
    std::string planFingerprint;                           ///< of the run behind `after`
    std::vector<std::shared_ptr<const Evaluation>> others; ///< of EvaluateRequest::others
};

/// Original and quantized values of one tensor, for the histogram and the channel profile.
struct WeightComparison {
    int target = -1;
    Histogram original, quantized; ///< the same bins
    QString label;                 ///< "run", "preview: round to nearest"
    bool preview = false;          ///< not what a run wrote, but the present scheme rounded to nearest
    double weightError = 0;        ///< ||W - W'||^2 / ||W||^2
    double maxAbs = 0;             ///< max |W - W'|
    std::vector<float> columnRms;  ///< [cols] root mean square of W - W' per input channel
    std::vector<float> columnMax;  ///< [cols] absmax of W' per input channel
};

} // namespace qs::app
