// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/MapToolRow.h"

#include "app/session/KlShare.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/views/Chip.h"

#include <QComboBox>
#include <QPushButton>
#include <algorithm>
#include <cmath>

namespace qs::app {

MapToolRow::MapToolRow(InspectState* state, Settings* settings, const Setup& setup, QWidget* parent)
    : ui::ToolRow(parent)
    , m_state(state)
    , m_metric(new QComboBox)
    , m_brushed(new ui::Chip({}, ui::Chip::Tone::Selection))
    , m_note(new ui::Chip({}, ui::Chip::Tone::Warning))
    , m_measure(new QPushButton)
    , m_bar(new ui::ColorBar) {
    for (const ui::Metric m : ui::allMetrics()) {
        const ui::MetricInfo& info = ui::metricInfo(m);
        m_metric->addItem(info.label, int(m));
        m_metric->setItemData(m_metric->count() - 1, info.help, Qt::ToolTipRole);
    }
    m_metric->setObjectName(setup.objectName);
    m_metric->setAccessibleName(tr("Colour"));
    setMetric(ui::metricFromId(settings->value(setup.settingsKey).toString(), setup.metric));
    m_measure->setObjectName(QStringLiteral("measureKl"));
    connect(m_measure, &QPushButton::clicked, this, &MapToolRow::measure);
    connect(m_metric, &QComboBox::currentIndexChanged, this, [this, settings, key = setup.settingsKey] {
        settings->setValue(key, QString::fromLatin1(ui::metricInfo(metric()).id));
        emit metricChanged();
        showNote();
    });
    const Session* session = state->session();
    connect(session, &Session::calibrationChanged, this, &MapToolRow::showNote);
    connect(session, &Session::runChanged, this, &MapToolRow::showNote);
    connect(session->table(), &SchemeTable::planChanged, this, &MapToolRow::showNote);
    connect(state->klShare(), &KlShare::changed, this, &MapToolRow::showNote);
}

void MapToolRow::addChoice(const QString& label, QComboBox* combo) {
    addLabel(label)->setBuddy(combo);
    addWidget(combo);
}

void MapToolRow::addMetric() {
    addChoice(tr("Colour"), m_metric);
}

void MapToolRow::finish() {
    addWidget(m_measure);
    addWidget(m_brushed);
    addWidget(m_note);
    addStretch();
    addWidget(m_bar);
    showNote();
}

ui::Metric MapToolRow::metric() const {
    return ui::Metric(m_metric->currentData().toInt());
}

void MapToolRow::setMetric(ui::Metric metric) {
    m_metric->setCurrentIndex(m_metric->findData(int(metric)));
}

void MapToolRow::setBrushed(const QString& text) {
    m_brushed->setText(text);
}

void MapToolRow::showScale(const ui::HeatMapDataPtr& data) {
    const bool any = data && std::any_of(data->values.begin(), data->values.end(),
                                         [](double v) { return !std::isnan(v); });
    m_bar->setSpec(any ? ui::ColorBarSpec::of(*data, false) : ui::ColorBarSpec());
    m_bar->setVisible(any);
    showNote();
}

QString MapToolRow::note() const {
    const Session* session = m_state->session();
    switch (metric()) {
    case ui::Metric::OutlierRatioActivations:
        return session->calibration() ? QString() : tr("Activations are not measured yet. Calibrate first.");
    case ui::Metric::CalibrationTokens:
        return session->calibration() ? QString()
                                      : tr("Tokens are counted by a calibration. Calibrate first.");
    case ui::Metric::ChangeSinceRun:
        return session->table()->hasRun() ? QString() : tr("Needs two runs.");
    case ui::Metric::OutputError:
    case ui::Metric::WeightError:
        return session->table()->hasRun() ? QString() : tr("Errors are measured by a run.");
    case ui::Metric::KlShare:
        return m_state->klShare()->note();
    default:
        return {};
    }
}

void MapToolRow::showNote() {
    m_note->setText(m_state->session()->model() ? note() : QString());
    const KlShare* kl = m_state->klShare();
    const bool shown = metric() == ui::Metric::KlShare;
    setProgress(shown ? kl->progress() : -1);
    if (!shown) return m_measure->setVisible(false);
    const QString blocker = kl->measuring() ? QString() : kl->blocker();
    const auto wanted = blocker.isEmpty() && !kl->measuring() ? kl->wanted().size() : 0;
    // When every layer is measured there is nothing to press, and the colour bar takes the room.
    m_measure->setVisible(kl->measuring() || !blocker.isEmpty() || wanted > 0);
    m_measure->setText(kl->measuring() ? tr("Stop") : tr("Measure KL share"));
    m_measure->setEnabled(kl->measuring() || wanted > 0);
    m_measure->setToolTip(
        kl->measuring() ? tr("What is measured by now stays.")
        : !blocker.isEmpty()
            ? blocker
            : tr("Runs the model with one layer quantized at a time: %n layers.", nullptr, int(wanted)) +
                  QLatin1Char('\n') + kl->protocol());
}

void MapToolRow::measure() {
    KlShare* kl = m_state->klShare();
    if (kl->measuring())
        kl->stop();
    else
        kl->measure();
}

} // namespace qs::app
