"""A server that answers posted films, and its web page.

    request ─receive_films─▶ temporary files ─FilmWorkers─▶ answer in a process that can be ended ─▶ JSON

The process that listens decodes nothing and imports neither torch nor OpenCV.
"""
