// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/MessageBar.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

namespace qs::app {

MessageBar::MessageBar(QWidget* parent)
    : QWidget(parent)
    , m_icon(new QLabel)
    , m_text(new QLabel)
    , m_action(new QPushButton)
    , m_close(new QToolButton) {
    setObjectName(QStringLiteral("messageBar"));
    m_text->setObjectName(QStringLiteral("messageText"));
    m_text->setTextFormat(Qt::PlainText);
    m_text->setWordWrap(true);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_action->setObjectName(QStringLiteral("messageAction"));
    m_close->setObjectName(QStringLiteral("messageClose"));
    m_close->setIcon(ui::icon(QStringLiteral("close"), ui::IconRole::Muted));
    m_close->setAutoRaise(true);
    m_close->setToolTip(tr("Dismiss"));
    m_close->setAccessibleName(tr("Dismiss"));
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(10, 4, 6, 5);
    layout->setSpacing(8);
    layout->addWidget(m_icon, 0, Qt::AlignTop);
    layout->addWidget(m_text, 1);
    layout->addWidget(m_action, 0, Qt::AlignTop);
    layout->addWidget(m_close, 0, Qt::AlignTop);
    m_icon->setFixedHeight(24);
    connect(m_close, &QToolButton::clicked, this, &MessageBar::dismiss);
    connect(m_action, &QPushButton::clicked, this, &MessageBar::actionTriggered);
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this, &MessageBar::applyTheme);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    hide();
}

void MessageBar::showMessage(Tone tone, const QString& text, const QString& action) {
    m_tone = tone;
    m_text->setText(text);
    m_action->setText(action);
    m_action->setVisible(!action.isEmpty());
    setAccessibleName(text);
    applyTheme();
    show();
}

void MessageBar::dismiss() {
    m_text->clear();
    hide();
}

QString MessageBar::text() const {
    return m_text->text();
}

void MessageBar::applyTheme() {
    static const struct {
        const char* name;
        ui::IconRole role;
    } icons[] = {{"info", ui::IconRole::Accent},
                 {"tick", ui::IconRole::Ok},
                 {"warning", ui::IconRole::Warning},
                 {"error", ui::IconRole::Error}};
    const auto& [name, role] = icons[int(m_tone)];
    m_icon->setPixmap(ui::icon(QString::fromLatin1(name), role).pixmap(QSize(16, 16), devicePixelRatioF()));
    update();
}

void MessageBar::paintEvent(QPaintEvent*) {
    const ui::Theme& t = ui::theme();
    const QColor fills[] = {t.selection, t.okFill, t.warningFill, t.errorFill};
    QPainter p(this);
    p.fillRect(rect(), fills[int(m_tone)]);
    p.fillRect(QRect(0, height() - 1, width(), 1), t.border);
}

void MessageBar::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape)
        dismiss();
    else
        QWidget::keyPressEvent(event);
}

} // namespace qs::app
