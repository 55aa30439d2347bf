// SPDX-License-Identifier: GPL-3.0-or-later
// What the session's operations are asked and what they hand back, as plain values.
#pragma once

#include "core/evaluate/evaluate.h"
#include "core/export/exporter.h"
#include "core/quant/quant_report.h"

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
    bool run = true; ///< the run, if there is one, against the model; without one, the model alone
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

/// Original and quantized values of one tensor.
struct WeightComparison {
    int target = -1;
    QString label;        ///< "int4 g128 asym · GPTQ"; "" when kept
    bool preview = false; ///< not what a run wrote, but the present scheme rounded to nearest
    bool scaled = false;  ///< both in the coordinates of the run's transforms
    QuantReport report;
};

} // namespace qs::app
