// SPDX-License-Identifier: GPL-3.0-or-later
// A wrapped line of plain text in a colour of the theme: hints, problems. Follows theme changes.
#pragma once

#include "widgets/theme/Theme.h"

#include <QLabel>

namespace qs::app {

class ToneLabel : public QLabel {
    Q_OBJECT
public:
    enum class Tone { Hint, Error };
    explicit ToneLabel(QWidget* parent = nullptr) : QLabel(parent) {
        setWordWrap(true);
        setTextFormat(Qt::PlainText);
        connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this, &ToneLabel::applyColor);
        applyColor();
    }
    void setTone(Tone tone) {
        m_tone = tone;
        applyColor();
    }

private:
    void applyColor() {
        QPalette p = palette();
        p.setColor(QPalette::WindowText, m_tone == Tone::Hint ? ui::theme().text2 : ui::theme().error);
        setPalette(p);
    }
    Tone m_tone = Tone::Hint;
};

} // namespace qs::app
