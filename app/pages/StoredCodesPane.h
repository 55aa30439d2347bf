// SPDX-License-Identifier: GPL-3.0-or-later
// Codes and scales of the current tensor as its checkpoint stores them, when it is stored quantized: which
// codes occur how often, the range of the scales, and every code.
#pragma once

#include "app/pages/InspectState.h"
#include "core/model/packed/packed_details.h"
#include "widgets/models/StoredCodesModel.h"

#include <QWidget>

class QStackedWidget;
class QTableView;

namespace qs::ui {
class EmptyState;
class HistogramWidget;
class KeyValueGrid;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

/// Everything the pane shows at first; rows of codes follow when they are looked at.
struct StoredSummary {
    std::shared_ptr<const PackedInfo> info;
    PackedDetails details;
    std::shared_ptr<const PackedScales> scales;
};

class StoredCodesPane : public QWidget {
    Q_OBJECT
public:
    explicit StoredCodesPane(InspectState* state, QWidget* parent = nullptr);

    const ui::StoredCodesModel* model() const { return &m_codes; }
    const ui::KeyValueGrid* facts() const { return m_facts; }
    const ui::HistogramWidget* histogram() const { return m_histogram; }

private:
    void refresh();
    void show(const StoredSummary& summary);
    void fetch(int first, int count);
    void showEmpty(const QString& text);

    InspectState* m_state;
    ui::StoredCodesModel m_codes;
    QStackedWidget* m_stack;
    ui::EmptyState* m_empty;
    ui::SectionHeader* m_head;
    ui::KeyValueGrid* m_facts;
    ui::HistogramWidget* m_histogram;
    QTableView* m_view;
    std::shared_ptr<const PackedInfo> m_shown; ///< asked for or shown
};

} // namespace qs::app
