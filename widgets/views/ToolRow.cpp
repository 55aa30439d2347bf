// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/ToolRow.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QPainter>

namespace qs::ui {

ToolRow::ToolRow(QWidget* parent) : QWidget(parent), m_layout(new QHBoxLayout(this)) {
    m_layout->setContentsMargins(10, 3, 10, 4);
    m_layout->setSpacing(8);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, &ToolRow::applyColors);
}

QSize ToolRow::minimumSizeHint() const {
    const QMargins margins = m_layout->contentsMargins();
    int width = margins.left() + margins.right();
    for (int i = 0; i < m_layout->count(); ++i) {
        const QWidget* w = m_layout->itemAt(i)->widget();
        if (!w || w->isHidden() || m_optional.contains(w)) continue;
        width += m_layout->itemAt(i)->minimumSize().width() + m_layout->spacing();
    }
    return {width, std::max(32, m_layout->minimumSize().height())};
}

void ToolRow::addOptional(QWidget* widget) {
    addWidget(widget);
    m_optional.push_back(widget);
}

void ToolRow::fit() {
    const QMargins margins = m_layout->contentsMargins();
    int needed = margins.left() + margins.right() - m_layout->spacing();
    for (int i = 0; i < m_layout->count(); ++i) {
        const QWidget* w = m_layout->itemAt(i)->widget();
        if (w && (m_optional.contains(w) || !w->isHidden()))
            needed += std::max(w->sizeHint().width(), w->minimumWidth()) + m_layout->spacing();
    }
    for (QWidget* w : m_optional) {
        const bool fits = needed <= width();
        if (!fits) needed -= w->sizeHint().width() + m_layout->spacing();
        if (w->isHidden() == fits) w->setVisible(fits);
    }
}

void ToolRow::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fit();
}

bool ToolRow::event(QEvent* event) {
    const bool handled = QWidget::event(event);
    if (event->type() == QEvent::LayoutRequest) fit(); // a text changed
    return handled;
}

QLabel* ToolRow::addTitle(const QString& text) {
    auto* label = new QLabel(text);
    label->setFont(boldFont());
    label->setTextFormat(Qt::PlainText);
    addWidget(label);
    return label;
}

QLabel* ToolRow::addLabel(const QString& text) {
    auto* label = new QLabel(text);
    label->setTextFormat(Qt::PlainText);
    addOptional(label);
    m_labels.push_back(label);
    applyColors();
    return label;
}

void ToolRow::applyColors() {
    for (QLabel* label : m_labels) {
        QPalette p = label->palette();
        p.setColor(QPalette::WindowText, theme().text2);
        label->setPalette(p);
    }
    update();
}

void ToolRow::setProgress(double fraction) {
    m_progress = std::min(fraction, 1.0);
    update(0, height() - 2, width(), 2);
}

void ToolRow::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), theme().window);
    p.fillRect(QRect(0, height() - 1, width(), 1), theme().border);
    if (m_progress >= 0) p.fillRect(QRectF(0, height() - 2, width() * m_progress, 2), theme().accent);
}

HintStrip::HintStrip(const QString& hint, QWidget* parent) : QWidget(parent), m_hint(hint) {
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    setAccessibleName(hint);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void HintStrip::setHint(const QString& hint) {
    m_hint = hint;
    setAccessibleName(hint);
    update();
}

void HintStrip::setLegend(const QVector<QPair<QString, QString>>& legend) {
    m_legend = legend;
    update();
}

QSize HintStrip::sizeHint() const {
    return {360, fontMetrics().height() + 10};
}

void HintStrip::paintEvent(QPaintEvent*) {
    const Theme& t = theme();
    QPainter p(this);
    p.fillRect(rect(), t.base);
    double legendWidth = 0;
    for (const auto& [name, word] : m_legend)
        legendWidth += fontMetrics().horizontalAdvance(word) + 34;
    double x = width() - legendWidth + 8;
    for (const auto& [name, word] : m_legend) {
        const double w = fontMetrics().horizontalAdvance(word);
        paintIcon(p, QRectF(x, height() / 2.0 - 7, 14, 14), name, t.text2);
        p.setPen(t.text2);
        p.drawText(QRectF(x + 18, 0, w + 4, height()), Qt::AlignLeft | Qt::AlignVCenter, word);
        x += w + 34;
    }
    p.setClipRect(QRectF(0, 0, width() - legendWidth, height()));
    x = 12;
    const QFontMetricsF mono(monoFont());
    qsizetype at = 0;
    while (at < m_hint.size()) {
        const bool key = m_hint[at] == QLatin1Char('[');
        const qsizetype end =
            key ? m_hint.indexOf(QLatin1Char(']'), at) : m_hint.indexOf(QLatin1Char('['), at);
        const QString part =
            m_hint.mid(key ? at + 1 : at, (end < 0 ? m_hint.size() : end) - at - (key ? 1 : 0));
        p.setPen(t.text2);
        if (key) {
            const QRectF cap(x + 0.5, height() / 2.0 - 7.5, mono.horizontalAdvance(part) + 8, 15);
            p.setRenderHint(QPainter::Antialiasing);
            p.setPen(QPen(t.strongBorder, 1));
            p.setBrush(t.window);
            p.drawRoundedRect(cap, 3, 3);
            p.setPen(t.text);
            p.setFont(monoFont());
            p.drawText(cap, Qt::AlignCenter, part);
            x = cap.right() + 1.5;
        } else {
            p.setFont(font());
            p.drawText(QRectF(x, 0, 600, height()), Qt::AlignLeft | Qt::AlignVCenter, part);
            x += QFontMetricsF(font()).horizontalAdvance(part);
        }
        at = end < 0 ? m_hint.size() : end + (key ? 1 : 0);
    }
}

} // namespace qs::ui
