// SPDX-License-Identifier: Apache-2.0
#include "core/run/unit_writing.h"

#include "core/store/quantized_store.h"

#include <utility>

namespace qs {

Result<void> UnitWriting::write(RunJournal& journal, const FinishedUnit& u) {
    std::vector<std::string> changed;
    for (const auto& [name, values] : u.folded.kept)
        changed.push_back(name);
    if (!u.folded.empty()) QS_CHECK(writeFoldedUnit(journal.foldedFile(u.unit), u.folded));
    if (!u.tensors.empty()) {
        std::vector<std::pair<std::string, const QuantizedTensor*>> list;
        for (size_t i = 0; i < u.tensors.size(); ++i)
            list.emplace_back(u.results[i].module, &u.tensors[i]);
        QS_CHECK(writeQuantizedTensors(journal.unitFile(u.unit), list));
    }
    return journal.finishUnit(!u.tensors.empty(), u.results, !u.folded.empty(), std::move(changed));
}

void UnitWriting::begin(std::shared_ptr<const FinishedUnit> unit) {
    unit_ = std::move(unit);
    writing_.begin([&journal = journal_, own = unit_] { return write(journal, *own); });
}

Result<void> UnitWriting::finish() {
    if (!writing_.pending()) return {};
    const auto unit = std::exchange(unit_, nullptr);
    QS_CHECK(writing_.finish());
    if (sink_) sink_(unit->unit, unit->results);
    return {};
}

Result<void> UnitWriting::poll() {
    return writing_.ready() ? finish() : Result<void>();
}

} // namespace qs
