// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/Chip.h"

#include "widgets/theme/Theme.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

namespace qs::ui {

namespace {
std::pair<QColor, QColor> chipColors(Chip::Tone tone) {
    const Theme& t = theme();
    switch (tone) {
    case Chip::Tone::Neutral:
        return {t.header, t.text2};
    case Chip::Tone::Selection:
        return {t.selection, t.accent};
    case Chip::Tone::Ok:
        return {t.okFill, t.ok};
    case Chip::Tone::Warning:
        return {t.warningFill, t.warning};
    case Chip::Tone::Error:
        return {t.errorFill, t.error};
    case Chip::Tone::Predicted:
        return {t.predictedFill, t.predicted};
    }
    return {t.header, t.text2};
}
} // namespace

Chip::Chip(const QString& text, Tone tone, QWidget* parent) : QWidget(parent), m_tone(tone) {
    setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
    setText(text);
}

void Chip::setText(const QString& text) {
    m_text = text;
    setAccessibleName(text);
    // A chip without a parent is not shown yet: show() would open a window.
    if (parentWidget() || text.isEmpty()) setVisible(!text.isEmpty());
    updateGeometry();
    update();
}

void Chip::setTone(Tone tone) {
    m_tone = tone;
    update();
}

QSize Chip::sizeHint() const {
    return {fontMetrics().horizontalAdvance(m_text) + 14, fontMetrics().height() + 3};
}

QSize Chip::minimumSizeHint() const {
    return {0, sizeHint().height()};
}

void Chip::paintChip(QPainter& painter, const QRectF& rect, const QString& text, Tone tone) {
    const auto [fill, ink] = chipColors(tone);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(fill);
    painter.drawRoundedRect(rect, 3, 3);
    painter.setPen(ink);
    painter.drawText(rect, Qt::AlignCenter, text);
    painter.restore();
}

void Chip::paintEvent(QPaintEvent*) {
    // Two letters and an ellipsis say nothing.
    if (width() < std::min(sizeHint().width(), fontMetrics().averageCharWidth() * 8 + 14)) return;
    QPainter p(this);
    paintChip(p, rect(), fontMetrics().elidedText(m_text, Qt::ElideRight, width() - 10), m_tone);
}

bool Chip::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip && toolTip().isEmpty() && width() < sizeHint().width()) {
        QToolTip::showText(static_cast<QHelpEvent*>(event)->globalPos(), m_text, this);
        return true;
    }
    return QWidget::event(event);
}

} // namespace qs::ui
