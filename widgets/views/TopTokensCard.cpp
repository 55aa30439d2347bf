// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/TopTokensCard.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kPad = 10, kColumn = 196, kBar = 62, kNumber = 40;

double rowHeight() {
    return std::ceil(QFontMetricsF(chartFont()).height()) + 2;
}

double headHeight() {
    return std::ceil(QFontMetricsF(bodyFont()).height()) + 6;
}

QString letter(int run) {
    return QString(QChar(u'A' + std::clamp(run, 0, 3)));
}

} // namespace

TopTokensCard::TopTokensCard(QWidget* parent) : QWidget(parent) {
    setAccessibleName(tr("Most likely tokens"));
    setToolTip(
        tr("The most likely next tokens of each model after the text before, with their probability in "
           "percent. The token in the text is bold."));
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void TopTokensCard::setData(TopTokensData data) {
    m_data = std::move(data);
    QStringList spoken = {m_data.headline};
    for (const auto& c : m_data.columns)
        if (!c.choices.isEmpty())
            spoken << tr("%1: %2, %3 %")
                          .arg(letter(c.run), c.choices.front().text,
                               formatFixed(100 * c.choices.front().probability, 1));
    setAccessibleDescription(spoken.join(QStringLiteral("; ")));
    updateGeometry();
    update();
}

QSize TopTokensCard::sizeHint() const {
    qsizetype rows = 1;
    for (const auto& c : m_data.columns)
        rows = std::max(rows, c.choices.size() + 1);
    const double width = std::max(2 * kPad + kColumn * double(m_data.columns.size()), 320.0);
    return QSize(int(width), int(2 * kPad + headHeight() + rowHeight() * double(rows)));
}

void TopTokensCard::paintEvent(QPaintEvent*) {
    QPainter p(this);
    renderTo(p, size());
    p.setPen(theme().strongBorder);
    p.setBrush(Qt::NoBrush);
    p.drawRect(rect().adjusted(0, 0, -1, -1));
}

void TopTokensCard::renderTo(QPainter& p, const QSize& size) const {
    const Theme& t = theme();
    p.fillRect(QRect(QPoint(0, 0), size), t.base);
    p.setFont(boldFont());
    p.setPen(t.text);
    p.drawText(
        QRectF(kPad, kPad, size.width() - 2 * kPad, headHeight()), Qt::AlignLeft | Qt::AlignTop,
        QFontMetrics(boldFont()).elidedText(m_data.headline, Qt::ElideRight, int(size.width() - 2 * kPad)));
    const double top = kPad + headHeight();
    if (m_data.columns.isEmpty()) {
        p.setFont(bodyFont());
        p.setPen(t.text3);
        p.drawText(QRectF(kPad, top, size.width() - 2 * kPad, size.height() - top),
                   Qt::AlignLeft | Qt::AlignTop, m_data.note);
        return;
    }
    const double column = std::min(kColumn, (size.width() - 2 * kPad) / double(m_data.columns.size()));
    QFont mono = monoFont(), strong = mono;
    strong.setBold(true);
    for (qsizetype c = 0; c < m_data.columns.size(); ++c) {
        const auto& data = m_data.columns[c];
        const double x = kPad + column * double(c), text = column - kBar - kNumber - 16;
        const QColor ink = t.runs[size_t(std::clamp(data.run, 0, 3))];
        p.setFont(boldFont());
        p.setPen(ink);
        const QString title = tr("%1 %2, %").arg(letter(data.run), data.title);
        p.drawText(QRectF(x, top, column - 8, rowHeight()), Qt::AlignLeft | Qt::AlignVCenter,
                   QFontMetrics(boldFont()).elidedText(title, Qt::ElideRight, int(column - 8)));
        for (qsizetype r = 0; r < data.choices.size(); ++r) {
            const auto& choice = data.choices[r];
            const double y = top + rowHeight() * double(r + 1);
            p.setFont(choice.actual ? strong : mono);
            p.setPen(t.text);
            p.drawText(QRectF(x, y, text, rowHeight()), Qt::AlignLeft | Qt::AlignVCenter,
                       QFontMetrics(p.font()).elidedText(choice.text, Qt::ElideRight, int(text)));
            p.fillRect(QRectF(x + text + 4, y + 3, std::max(1.0, kBar * choice.probability), rowHeight() - 6),
                       blend(ink, t.base, 0.75));
            p.setFont(chartFont());
            p.setPen(t.text2);
            p.drawText(QRectF(x + text + kBar + 4, y, kNumber, rowHeight()),
                       Qt::AlignRight | Qt::AlignVCenter, formatFixed(100 * choice.probability, 1));
        }
    }
}

QString TopTokensCard::toCsv() const {
    QString csv = QStringLiteral("model,rank,token,probability\n");
    for (const auto& c : m_data.columns)
        for (qsizetype r = 0; r < c.choices.size(); ++r)
            csv += letter(c.run) + QLatin1Char(',') + QString::number(r + 1) + QLatin1Char(',') +
                   csvField(c.choices[r].text) + QLatin1Char(',') + csvNumber(c.choices[r].probability) +
                   QLatin1Char('\n');
    return csv;
}

} // namespace qs::ui
