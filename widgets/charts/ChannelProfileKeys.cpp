// SPDX-License-Identifier: GPL-3.0-or-later
// The keyboard half of ChannelProfilePane, the way to one channel and back, and the profile as text.
#include "widgets/charts/ChannelProfilePane.h"

#include <QKeyEvent>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kChannelSpan = 16; ///< channels seen when one is looked at
} // namespace

void ChannelProfilePane::zoomToChannel(int channel) {
    if (empty() || channel < 0 || channel >= m_data->channels()) return;
    setListShown(true);
    selectChannel(channel);
    const double middle = rankOf(channel) + 0.5;
    applyRange(middle - kChannelSpan / 2, middle + kChannelSpan / 2);
}

void ChannelProfilePane::setListShown(bool shown) {
    if (shown == m_listed || empty()) return;
    m_listed = shown;
    if (shown) {
        m_backLo = m_lo;
        m_backHi = m_hi;
    }
    tellList();
    update();
    if (!shown) applyRange(m_backLo, m_backHi);
    emit listShown(shown);
}

/// What the list shows, for those who hear it.
void ChannelProfilePane::tellList() {
    const bool any = m_listed && m_selected >= 0;
    setAccessibleDescription(any ? describe(m_selected, true).join(QStringLiteral(", ")) : QString());
}

/// From one channel to the range before it, from a range to everything.
void ChannelProfilePane::goBack() {
    if (m_listed)
        setListShown(false);
    else
        applyRange(0, m_data->channels());
}

void ChannelProfilePane::keyPressEvent(QKeyEvent* event) {
    if (empty()) return QWidget::keyPressEvent(event);
    const double middle = m_selected >= 0 ? rankOf(m_selected) + 0.5 : (m_lo + m_hi) / 2;
    const bool everything = m_lo <= 0 && m_hi >= m_data->channels();
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        return zoomAround(middle, 0.7);
    case Qt::Key_Minus:
        return zoomAround(middle, 1 / 0.7);
    case Qt::Key_0:
        return applyRange(0, m_data->channels());
    case Qt::Key_Return:
    case Qt::Key_Enter:
        return zoomToChannel(m_selected);
    case Qt::Key_Escape:
        if (m_listed || !everything) return goBack();
        break;
    case Qt::Key_Left:
    case Qt::Key_Right:
        return stepChannel(event->key() == Qt::Key_Right ? 1 : -1, event->modifiers() & Qt::ControlModifier);
    default:
        break;
    }
    QWidget::keyPressEvent(event);
}

void ChannelProfilePane::stepChannel(int direction, bool toOutlier) {
    const int rank = m_selected >= 0 ? rankOf(m_selected) : (direction > 0 ? -1 : m_data->channels());
    if (!toOutlier) {
        const int next = rank + direction;
        if (next >= 0 && next < m_data->channels()) selectChannel(channelOf(next));
        return;
    }
    int best = -1;
    for (const int c : m_outliersBySize) {
        const int r = rankOf(c);
        if ((r - rank) * direction <= 0) continue;
        if (best < 0 || (r - rankOf(best)) * direction < 0) best = c;
    }
    selectChannel(best);
}

QStringList ChannelProfilePane::describe(int channel, bool everything) const {
    const double v = m_data->absmax[channel];
    const QString unit = m_data->unit.isEmpty() ? QString() : QChar(0x202F) + m_data->unit;
    QStringList lines = {tr("channel %1").arg(channel)};
    lines << (std::isnan(v) ? tr("not measured") : tr("absmax %1").arg(formatNumber(v, 3)) + unit);
    if (m_data->median > 0 && !std::isnan(v)) {
        const double ratio = v / m_data->median;
        lines << tr("%1 × median").arg(ratio >= 1 ? formatFixed(ratio, 1) : formatNumber(ratio, 2));
    }
    for (const ChannelSeries s : kChannelSeries) {
        const QVector<float>& values = m_data->values(s);
        if (values.isEmpty() || !(everything || shows(s))) continue;
        // The sign of a mean is lost in the picture alone.
        const QString name = s == ChannelSeries::Mean ? tr("mean") : channelSeriesInfo(s).label;
        lines << tr("%1 %2").arg(name, formatNumber(double(values[channel]), 3)) + unit;
    }
    return lines;
}

QString ChannelProfilePane::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("channel,absmax");
    for (const ChannelSeries s : kChannelSeries)
        if (!m_data->values(s).isEmpty()) csv += QLatin1Char(',') + QLatin1String(channelSeriesInfo(s).id);
    csv += QStringLiteral(",outlier\n");
    QVector<bool> outlier(m_data->channels(), false);
    for (const int c : m_outliersBySize)
        outlier[c] = true;
    for (int c = 0; c < m_data->channels(); ++c) {
        csv += QString::number(c) + QLatin1Char(',') + csvNumber(double(m_data->absmax[c]));
        for (const ChannelSeries s : kChannelSeries)
            if (const auto& values = m_data->values(s); !values.isEmpty())
                csv += QLatin1Char(',') + csvNumber(double(values[c]));
        csv += outlier[c] ? QStringLiteral(",1\n") : QStringLiteral(",0\n");
    }
    return csv;
}

} // namespace qs::ui
