// SPDX-License-Identifier: GPL-3.0-or-later
// Memory of an export in its runtime: the context and cache it is asked for, the estimate in words, and as a
// bar.
#pragma once

#include "core/export/memory_estimate.h"
#include "core/export/runtime_profiles.h"
#include "widgets/charts/StackedBar.h"

class QComboBox;

namespace qs::app {

struct MemoryChoice {
    std::string runtime; ///< id of a profile; "" for the first that opens the format
    size_t context = 0;  ///< tokens
    std::string cache;   ///< id of a CacheType
};

/// Whose memory is meant: nullptr when the format is not opened by the chosen runtime, or by none.
const RuntimeProfile* memoryRuntime(const std::string& exporter, const MemoryChoice& choice);
/// NotFound without such a runtime; Unsupported for a model whose architecture is not known.
Result<MemoryEstimate> exportMemory(const Model& model, const std::string& exporter, uint64_t weightBytes,
                                    const MemoryChoice& choice);
/// How the numbers of an estimate come about.
QString cacheHelp(const ModelSpec& model, const MemoryEstimate& estimate, const MemoryChoice& choice);
QString computeHelp(const MemoryEstimate& estimate, const RuntimeProfile& runtime);
ui::StackedBarDataPtr memoryBar(const Model& model, const ExporterDescriptor& exporter, uint64_t weightBytes,
                                const MemoryChoice& choice);
/// A bar without parts that says what to do.
ui::StackedBarDataPtr emptyMemoryBar(const QString& text);

/// The two boxes of the tool row.
class MemoryControls : public QWidget {
    Q_OBJECT
public:
    explicit MemoryControls(QWidget* parent = nullptr);
    /// The contexts of a model: powers of two up to its own, and that; nullptr: none.
    void setModel(const Model* model);
    /// The caches of a runtime; "": what all have.
    void setRuntime(const std::string& runtime);
    MemoryChoice choice() const;
signals:
    void changed();

private:
    QComboBox* m_context;
    QComboBox* m_cache;
    std::string m_runtime;
};

} // namespace qs::app
