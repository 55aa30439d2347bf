// SPDX-License-Identifier: GPL-3.0-or-later
// One line above the page for what the user must know and no dialog should interrupt for: errors of jobs,
// refused edits. Stays until closed or replaced.
#pragma once

#include <QWidget>

class QLabel;
class QPushButton;
class QToolButton;

namespace qs::app {

class MessageBar : public QWidget {
    Q_OBJECT
public:
    enum class Tone { Info, Ok, Warning, Error };
    explicit MessageBar(QWidget* parent = nullptr);

    /// `action`: label of a button, "" for none; actionTriggered() follows it.
    void showMessage(Tone tone, const QString& text, const QString& action = {});
    void dismiss();
    QString text() const;
    Tone tone() const { return m_tone; }

signals:
    void actionTriggered();

protected:
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void applyTheme();
    Tone m_tone = Tone::Info;
    QLabel* m_icon;
    QLabel* m_text;
    QPushButton* m_action;
    QToolButton* m_close;
};

} // namespace qs::app
