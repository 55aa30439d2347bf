// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/LayerCardPane.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/models/Metric.h"
#include "widgets/views/LayerCard.h"
#include "widgets/views/SectionHeader.h"

#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

namespace {

QString bytesChangeText(qint64 bytes) {
    const QString sign = bytes < 0 ? QStringLiteral("−") : QStringLiteral("+");
    return bytes == 0 ? LayerCardPane::tr("+0 B") : sign + ui::bytesText(quint64(std::abs(bytes)));
}

QString errorChangeText(double now, double then) {
    if (std::isnan(now) || std::isnan(then) || !(now > 0)) return LayerCardPane::tr("error not known");
    const double change = std::round(100 * (then / now - 1));
    return LayerCardPane::tr("%1%2 % err")
        .arg(change > 0 ? QStringLiteral("+") : QString(), ui::formatNumber(change, 3));
}

ui::LayerCardOption priced(const LayerOption& option, const LayerAdviceResult& advice) {
    ui::LayerCardOption out;
    out.label = option.label;
    out.price = QStringLiteral("%1 · %2").arg(bytesChangeText(option.bytesChange),
                                              errorChangeText(advice.errorNow, option.error));
    out.better = option.error < advice.errorNow; // false when not known
    const QString what =
        advice.outputError ? LayerCardPane::tr("Output error") : LayerCardPane::tr("Weight error");
    out.hint = !option.note.isEmpty() ? option.note
                                      : LayerCardPane::tr("%1: %2 % now, %3 % then. One undo step.")
                                            .arg(what, ui::numberText(100 * advice.errorNow, 3),
                                                 ui::numberText(100 * option.error, 3));
    return out;
}

QString footerText(const LayerAdviceResult& advice) {
    QString text =
        advice.rowsUsed == advice.rows
            ? LayerCardPane::tr("Tried on all %1 rows.", nullptr, int(advice.rows))
                  .arg(ui::integerText(qint64(advice.rows)))
            : LayerCardPane::tr("Tried on %1 of %2 rows.", nullptr, int(advice.rows))
                  .arg(ui::integerText(qint64(advice.rowsUsed)), ui::integerText(qint64(advice.rows)));
    if (advice.nearest) text += LayerCardPane::tr(" Rounded to nearest.");
    if (advice.tooWide)
        text += LayerCardPane::tr(" Errors of weights: Σ of so many inputs is too large to try.");
    else if (!advice.outputError)
        text += LayerCardPane::tr(" Errors of weights; outputs need calibration data.");
    return text;
}

} // namespace

LayerCardPane::LayerCardPane(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_advice(session)
    , m_head(new ui::SectionHeader(tr("Layer card")))
    , m_card(new ui::LayerCard) {
    setObjectName(QStringLiteral("layerCardPane"));
    m_card->setObjectName(QStringLiteral("layerCard"));
    m_head->setIconName(QStringLiteral("info"));
    auto* frame = new QWidget;
    auto* inner = new QVBoxLayout(frame);
    inner->setContentsMargins(10, 2, 10, 6);
    inner->addWidget(m_card);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_head);
    layout->addWidget(frame);
    connect(&m_advice, &LayerAdvice::changed, this, &LayerCardPane::refresh);
    connect(m_card, &ui::LayerCard::optionChosen, this, &LayerCardPane::apply);
}

void LayerCardPane::show(int target) {
    m_target = target;
    if (isVisible()) m_advice.show(target);
}

void LayerCardPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_advice.show(m_target);
}

void LayerCardPane::refresh() {
    ui::LayerCardData data;
    const auto advice = m_advice.result();
    m_head->setNote(advice || m_target < 0 || !m_advice.note().isEmpty() ? QString() : tr("trying options"));
    if (!advice) {
        if (!m_advice.note().isEmpty()) data.sentences << m_advice.note().toHtmlEscaped();
        return m_card->setData(data);
    }
    for (const LayerFinding& f : advice->findings)
        data.sentences << ui::findingText(f);
    for (const LayerOption& o : advice->options)
        data.options.push_back(priced(o, *advice));
    data.footer = advice->options.empty() ? QString() : footerText(*advice);
    m_card->setData(data);
}

void LayerCardPane::apply(int option) {
    const auto advice = m_advice.result();
    if (!advice || option < 0 || size_t(option) >= advice->options.size()) return;
    const QString refused = m_session->table()->edit({advice->target}, advice->options[size_t(option)].edit);
    if (!refused.isEmpty()) emit editRefused(refused);
}

} // namespace qs::app
