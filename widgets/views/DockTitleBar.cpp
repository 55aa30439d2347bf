// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/DockTitleBar.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QMouseEvent>
#include <QPainter>

namespace qs::ui {

namespace {
constexpr int kButton = 20;

QToolButton* makeButton(const QString& iconName, const QString& name, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setIcon(icon(iconName, IconRole::Muted));
    button->setIconSize(QSize(14, 14));
    button->setAutoRaise(true);
    button->setToolTip(name);
    button->setAccessibleName(name);
    button->setFocusPolicy(Qt::TabFocus);
    button->setFixedSize(kButton, kButton);
    return button;
}
} // namespace

DockTitleBar::DockTitleBar(QDockWidget* dock)
    : QWidget(dock)
    , m_dock(dock)
    , m_maximize(makeButton(QStringLiteral("maximize"), tr("Maximise"), this))
    , m_close(makeButton(QStringLiteral("close"), tr("Close"), this)) {
    connect(m_maximize, &QToolButton::clicked, this, [this] { emit maximizeRequested(!m_maximized); });
    connect(m_close, &QToolButton::clicked, dock, &QDockWidget::close);
    connect(dock, &QDockWidget::windowTitleChanged, this, qOverload<>(&QWidget::update));
    connect(dock, &QDockWidget::featuresChanged, this, [this](QDockWidget::DockWidgetFeatures features) {
        m_close->setVisible(features & QDockWidget::DockWidgetClosable);
    });
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void DockTitleBar::setNote(const QString& note) {
    m_note = note;
    update();
}

void DockTitleBar::setMaximized(bool maximized) {
    m_maximized = maximized;
    m_maximize->setIcon(
        icon(maximized ? QStringLiteral("restore") : QStringLiteral("maximize"), IconRole::Muted));
    m_maximize->setToolTip(maximized ? tr("Restore") : tr("Maximise"));
    m_maximize->setAccessibleName(m_maximize->toolTip());
}

int DockTitleBar::barHeight() const {
    return std::max(26, fontMetrics().height() + 8);
}
QSize DockTitleBar::sizeHint() const {
    return {160, barHeight()};
}
QSize DockTitleBar::minimumSizeHint() const {
    return {80, barHeight()};
}

void DockTitleBar::resizeEvent(QResizeEvent*) {
    const int y = (height() - kButton) / 2;
    int x = width() - 5 - kButton;
    m_close->move(x, y);
    if (m_close->isVisibleTo(this)) x -= kButton + 2;
    m_maximize->move(x, y);
}

void DockTitleBar::mouseDoubleClickEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return event->ignore();
    emit maximizeRequested(!m_maximized);
}

void DockTitleBar::paintEvent(QPaintEvent*) {
    const Theme& t = theme();
    QPainter p(this);
    p.fillRect(rect(), t.header);
    p.fillRect(QRect(0, height() - 1, width(), 1), t.border);
    const QRect r = rect().adjusted(8, 0, -(width() - m_maximize->x()) - 6, -1);
    const QFontMetrics bold(boldFont());
    const QString title = bold.elidedText(m_dock->windowTitle(), Qt::ElideRight, r.width());
    p.setFont(boldFont());
    p.setPen(t.text);
    p.drawText(r, Qt::AlignLeft | Qt::AlignVCenter, title);
    const int room = r.width() - bold.horizontalAdvance(title) - 12;
    if (m_note.isEmpty() || room < 30) return;
    p.setFont(font());
    p.setPen(t.text2);
    p.drawText(r, Qt::AlignRight | Qt::AlignVCenter, fontMetrics().elidedText(m_note, Qt::ElideRight, room));
}

} // namespace qs::ui
