// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/OutliersPane.h"

#include "widgets/views/EmptyState.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

OutliersPane::OutliersPane(InspectState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_stack(new QStackedWidget)
    , m_empty(new ui::EmptyState({}))
    , m_view(new QTableView) {
    setObjectName(QStringLiteral("outliersPane"));
    m_view->setObjectName(QStringLiteral("outlierTable"));
    m_view->setAccessibleName(tr("Outlier channels"));
    ui::setupTable(m_view);
    m_view->setModel(&m_model);
    m_view->setSortingEnabled(true);
    m_view->horizontalHeader()->setSortIndicator(-1, Qt::DescendingOrder);
    m_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_view->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_view);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_stack);
    connect(state, &InspectState::changed, this, &OutliersPane::refresh);
    connect(state, &InspectState::channelChanged, this, &OutliersPane::markChannel);
    connect(m_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex& i) {
                if (i.isValid()) m_state->setChannel(i.data(ui::OutlierTableModel::ChannelRole).toInt());
            });
    refresh();
}

void OutliersPane::refresh() {
    const ui::TargetRow* row = m_state->currentRow();
    const ChannelStats* x = m_state->activationChannels();
    const ChannelStats* w = m_state->weightChannels();
    auto rows = ui::outlierRows(x, w, m_state->rule(), m_state->threshold());
    // The absolute limit of LLM.int8 is about activations.
    if (!x && m_state->rule() == OutlierRule::LlmInt8) rows.clear();
    const QSignalBlocker quiet(m_view->selectionModel());
    m_model.setRows(std::move(rows));
    if (!row)
        m_empty->setText(m_state->session()->model() ? tr("Select a tensor to see its outlier channels.")
                                                     : QString());
    else if (!x && m_state->rule() == OutlierRule::LlmInt8)
        m_empty->setText(tr("This rule is about activations. Calibrate first, or choose another rule."));
    else if (!x && !w)
        m_empty->setText(tr("Reading the weights"));
    else
        m_empty->setText(tr("No channel of %1 is past the rule.").arg(row->module));
    m_stack->setCurrentWidget(m_model.rowCount() > 0 ? static_cast<QWidget*>(m_view) : m_empty);
    emit countChanged(m_model.rowCount());
}

void OutliersPane::markChannel(int channel) {
    const auto& rows = m_model.rows();
    for (size_t r = 0; r < rows.size(); ++r) {
        if (rows[r].channel != channel) continue;
        if (m_view->currentIndex().row() != int(r)) m_view->selectRow(int(r));
        return;
    }
    const QSignalBlocker quiet(m_view->selectionModel());
    m_view->clearSelection();
}

} // namespace qs::app
