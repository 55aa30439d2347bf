// SPDX-License-Identifier: Apache-2.0
// What a command is pointed at: a model folder or file, a run folder, or an exported folder.
#pragma once

#include "core/run/run.h"

namespace qs::cli {

struct Subject {
    std::shared_ptr<const Model> model;          ///< spec and tokenizer; of a run: the model it was made from
    std::shared_ptr<const WeightSource> weights; ///< what is evaluated
    std::shared_ptr<const Run> run;              ///< null unless a run folder was given
    std::shared_ptr<const WeightSource> original; ///< of a run: the model's own weights; else null
};

/// Opens `path`. An unfinished run is refused: its weights are a mixture.
Result<Subject> openSubject(const std::filesystem::path& path);
/// openSubject, and the model's forward pass must be known.
Result<Subject> openComputable(const std::filesystem::path& path);
/// A finished run and the model it was made from.
Result<Subject> openRun(const std::filesystem::path& directory);

/// The run that an exported folder was made from: "run" of its receipt.json, absolute or relative to the
/// folder.
Result<std::filesystem::path> runOfExport(const std::filesystem::path& directory);

} // namespace qs::cli
