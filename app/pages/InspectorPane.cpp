// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/InspectorPane.h"

#include "app/pages/LayerCardPane.h"
#include "app/pages/LensPictures.h"
#include "core/model/packed/packed_linear.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/editors/SchemeEditor.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QStackedWidget>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 30;
constexpr int kSide = 10; ///< side padding, px

ui::KeyValueGrid::Tone toneOf(const ui::KeyValue& kv) {
    if (kv.stale) return ui::KeyValueGrid::Tone::Stale;
    return kv.mono ? ui::KeyValueGrid::Tone::Mono : ui::KeyValueGrid::Tone::Normal;
}

/// Lists of formats with counts become rows: side by side they would be cut.
QVector<ui::KeyValue> onePerRow(const QVector<ui::KeyValue>& rows) {
    constexpr qsizetype kMost = 6;
    QVector<ui::KeyValue> out;
    for (const ui::KeyValue& kv : rows) {
        const QStringList parts = kv.value.split(QStringLiteral(" · "));
        if (parts.size() < 2 || !parts.front().contains(QStringLiteral(" × "))) {
            out.push_back(kv);
            continue;
        }
        for (qsizetype i = 0; i < std::min(parts.size(), kMost); ++i) {
            ui::KeyValue row = kv;
            if (i > 0) row.key.clear();
            row.value = i + 1 == kMost && parts.size() > kMost
                            ? InspectorPane::tr("and %1 more").arg(parts.size() - i)
                            : parts[i];
            out.push_back(row);
        }
    }
    return out;
}

QWidget* padded(QWidget* widget, int bottom = 6) {
    auto* frame = new QWidget;
    auto* layout = new QVBoxLayout(frame);
    layout->setContentsMargins(kSide, 2, kSide, bottom);
    layout->addWidget(widget);
    return frame;
}

} // namespace

void showKeyValues(ui::KeyValueGrid* grid, const QVector<ui::KeyValue>& rows) {
    QStringList keys;
    for (const ui::KeyValue& kv : rows)
        keys << kv.key;
    if (grid->property("keys").toStringList() == keys && grid->count() == rows.size()) {
        for (qsizetype i = 0; i < rows.size(); ++i) {
            grid->setValue(int(i), rows[i].value, toneOf(rows[i]));
            grid->setHelp(int(i), rows[i].help);
        }
        return;
    }
    grid->setProperty("keys", keys);
    grid->clear();
    for (const ui::KeyValue& kv : rows)
        grid->addRow(kv.key, kv.value, toneOf(kv), kv.help);
}

InspectorPane::InspectorPane(InspectState* state, QWidget* parent)
    : QWidget(parent), m_state(state), m_stack(new QStackedWidget) {
    setObjectName(QStringLiteral("inspectorPane"));
    setMinimumWidth(280);
    auto* scroll = new QScrollArea;
    scroll->setObjectName(QStringLiteral("inspectorScroll"));
    scroll->setAccessibleName(tr("Inspector"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setWidget(makeBody());
    m_stack->addWidget(new ui::EmptyState(tr("Select a tensor in the map, the tree or the table.")));
    m_stack->addWidget(scroll);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_stack);
    m_later.setSingleShot(true);
    m_later.setInterval(kRefreshMs);
    connect(&m_later, &QTimer::timeout, this, &InspectorPane::refresh);
    Session* session = state->session();
    connect(session->selection(), &ui::TargetSelection::changed, this, &InspectorPane::scheduleRefresh);
    connect(session->selection(), &ui::TargetSelection::currentChanged, this,
            &InspectorPane::scheduleRefresh);
    connect(session->table(), &ui::TargetTableSource::rowsChanged, this, &InspectorPane::scheduleRefresh);
    connect(session, &Session::modelChanged, this, &InspectorPane::scheduleRefresh);
    connect(session, &Session::calibrationChanged, this, &InspectorPane::scheduleRefresh);
    connect(session, &Session::comparisonReady, this, &InspectorPane::refreshHistogram);
    connect(m_editor, &ui::SchemeEditor::edited, this, &InspectorPane::onEdited);
    connect(m_layerCard, &LayerCardPane::editRefused, this, &InspectorPane::editRefused);
    refresh();
}

QWidget* InspectorPane::makeHead() {
    m_name = new QLabel;
    m_name->setTextFormat(Qt::RichText);
    m_name->setObjectName(QStringLiteral("inspectorName"));
    m_place = new ui::Chip({}, ui::Chip::Tone::Selection);
    m_tensor = new ui::ElidedLabel;
    m_tensor->setFont(ui::monoFont());
    auto* line = new QHBoxLayout;
    line->addWidget(m_name);
    line->addStretch();
    line->addWidget(m_place);
    auto* head = new QWidget;
    auto* layout = new QVBoxLayout(head);
    layout->setContentsMargins(kSide, 8, kSide, 2);
    layout->setSpacing(2);
    layout->addLayout(line);
    layout->addWidget(m_tensor);
    return head;
}

QWidget* InspectorPane::makeBody() {
    m_facts = new ui::KeyValueGrid;
    m_weightsHead = new ui::SectionHeader(tr("Weights"), tr("count, log y"));
    m_histogram = new ui::HistogramWidget;
    m_histogram->setObjectName(QStringLiteral("inspectorHistogram"));
    m_histogram->setCompact(true);
    m_histogram->setFixedHeight(96);
    ui::installExportMenu(m_histogram, m_histogram);
    m_schemeHead = new ui::SectionHeader(tr("Scheme"));
    m_editor = new ui::SchemeEditor;
    m_editor->setObjectName(QStringLiteral("schemeEditor"));
    m_price = new ui::KeyValueGrid;
    m_layerCard = new LayerCardPane(m_state->session());
    m_selectionHead = new ui::SectionHeader(tr("Selection"));
    m_selection = new ui::KeyValueGrid;
    auto* body = new QWidget;
    auto* layout = new QVBoxLayout(body);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeHead());
    layout->addWidget(padded(m_facts));
    layout->addWidget(m_weightsHead);
    layout->addWidget(padded(m_histogram, 2));
    layout->addWidget(m_schemeHead);
    layout->addWidget(padded(m_editor));
    layout->addWidget(padded(m_price));
    layout->addWidget(m_layerCard);
    layout->addWidget(m_selectionHead);
    layout->addWidget(padded(m_selection));
    layout->addStretch();
    return body;
}

void InspectorPane::setLensPanel(QWidget* panel) {
    m_lensScroll = new QScrollArea;
    m_lensScroll->setAccessibleName(tr("Range, errors and worst groups"));
    m_lensScroll->setFrameShape(QFrame::NoFrame);
    m_lensScroll->setWidgetResizable(true);
    m_lensScroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_lensScroll->setWidget(panel);
    m_stack->addWidget(m_lensScroll);
}

void InspectorPane::showLensPanel(bool on) {
    m_showLens = on && m_lensScroll;
    refresh();
}

void InspectorPane::scheduleRefresh() {
    if (!m_later.isActive()) m_later.start();
}

void InspectorPane::refresh() {
    const ui::TargetRow* row = m_state->currentRow();
    m_stack->setCurrentIndex(!row ? 0 : m_showLens ? 2 : 1);
    m_layerCard->show(m_state->current());
    if (!row) return;
    const QVector<int>& targets = m_state->session()->selection()->targets();
    const QString place = row->block < 0 ? QString() : tr("block %1").arg(row->block);
    const QString name = row->block < 0 ? row->module : row->module.section(QLatin1Char('.'), -2);
    m_name->setText(QStringLiteral("<b>%1</b> %2").arg(name.toHtmlEscaped(), place));
    m_place->setText(targets.size() > 1 ? tr("1 of %1 selected").arg(ui::integerText(targets.size()))
                                        : QString());
    m_tensor->setText(row->tensor);
    showKeyValues(m_facts, ui::describeTensor(*row));
    showKeyValues(m_price, ui::describeScheme(*row));
    QVector<const ui::TargetRow*> rows;
    for (const int t : targets)
        rows.push_back(&m_state->session()->table()->row(t));
    const bool many = rows.size() > 1;
    m_selectionHead->setVisible(many);
    m_selection->parentWidget()->setVisible(many);
    if (many) {
        m_selectionHead->setNote(
            tr("%1 tensors, 1 current", nullptr, int(rows.size())).arg(ui::integerText(rows.size())));
        showKeyValues(m_selection, onePerRow(ui::describeSelection(rows)));
    }
    m_schemeHead->setNote(
        many ? tr("edits %1 tensors", nullptr, int(rows.size())).arg(ui::integerText(rows.size()))
             : QString());
    refreshScheme();
    refreshHistogram();
}

void InspectorPane::refreshScheme() {
    Session* session = m_state->session();
    std::vector<std::shared_ptr<const Scheme>> schemes; // each once: many tensors share few
    QSet<const Scheme*> seen;
    for (const int t : session->selection()->targets()) {
        const auto& scheme = session->table()->schemes()[size_t(t)];
        if (!schemes.empty() && schemes.back() == scheme) continue; // neighbours share most often
        if (seen.contains(scheme.get())) continue;
        seen.insert(scheme.get());
        schemes.push_back(scheme);
    }
    m_editor->setSchemes(schemes);
    m_editor->setCalibrated(bool(session->calibration()));
    const auto model = session->model();
    const int current = m_state->current();
    const PackedInfo* packed =
        model && current >= 0 ? model->targets()[size_t(current)].packed.get() : nullptr;
    m_editor->setEnabled(!packed);
    m_editor->setToolTip(packed ? tr("The checkpoint stores this tensor as %1. Open the original model to "
                                     "quantize it.")
                                      .arg(QString::fromStdString(packed->label))
                                : QString());
}

void InspectorPane::refreshHistogram() {
    const auto picture = histogramPicture(*m_state->session(), m_state->current());
    m_histogram->setData(picture);
    m_weightsHead->setNote(picture->after.isEmpty() ? tr("count, log y") : tr("before and after, log y"));
}

void InspectorPane::onEdited(const ui::SchemeEdit& edit) {
    Session* session = m_state->session();
    const QString refused = session->table()->edit(session->selection()->targets(), edit);
    if (refused.isEmpty()) return;
    emit editRefused(refused);
    refreshScheme(); // back to what the recipe says
}

} // namespace qs::app
