// SPDX-License-Identifier: GPL-3.0-or-later
// Autosave: one file in the cache that holds the present session while the window lives. A process that ends
// in any other way than closing the window leaves it behind, without its lock: it is then offered again.
#pragma once

#include <QDateTime>
#include <QLockFile>
#include <QString>
#include <QVector>
#include <memory>

namespace qs::app {

class Autosave {
public:
    static constexpr int kKeptDays = 14;

    struct Left {
        QString file;
        QDateTime saved;
    };

    /// `folder` is made when it is missing. What was left there and not asked for in kKeptDays is removed.
    explicit Autosave(const QString& folder);
    ~Autosave(); ///< removes the file
    Autosave(const Autosave&) = delete;
    Autosave& operator=(const Autosave&) = delete;

    /// Where to write; "" when the folder cannot be used. Held by this object's lock.
    QString file() const;
    /// Nothing is open, or the window was closed: there is nothing to recover.
    void discard();
    /// Autosaves that no living process holds, newest first.
    QVector<Left> left() const;
    static void remove(const QString& file);

private:
    QString m_folder, m_file;
    std::unique_ptr<QLockFile> m_lock;
};

} // namespace qs::app
