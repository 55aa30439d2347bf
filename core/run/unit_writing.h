// SPDX-License-Identifier: Apache-2.0
// Writes finished units while the next one is computed: files are compressed and hashed on one thread, which
// would leave the others waiting.
#pragma once

#include "core/base/aside.h"
#include "core/run/run.h"
#include "core/run/run_journal.h"
#include "core/store/folded_store.h"

namespace qs {

struct FinishedUnit {
    int unit = 0;
    std::vector<QuantizedTensor> tensors;
    std::vector<TensorResult> results; ///< of these tensors
    FoldedUnit folded;
};

/// Used by one thread, on which `sink` is called. The journal must outlive it, and nobody else may use it
/// between begin() and finish().
class UnitWriting {
public:
    UnitWriting(RunJournal& journal, const UnitSink& sink) : journal_(journal), sink_(sink) {}

    /// After finish(): nothing may be pending.
    void begin(std::shared_ptr<const FinishedUnit> unit);
    /// Waits for what begin() began, and tells the sink; its error.
    Result<void> finish();
    /// finish(), if it would not wait.
    Result<void> poll();

private:
    static Result<void> write(RunJournal& journal, const FinishedUnit& unit);

    RunJournal& journal_;
    const UnitSink& sink_;
    std::shared_ptr<const FinishedUnit> unit_;
    Aside writing_;
};

} // namespace qs
