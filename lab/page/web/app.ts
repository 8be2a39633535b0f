import { teacher } from './teacher';
import { student } from './student';
import { setToken } from './api';

// Who has the link that the terminal printed is the teacher; all others are
// students. The secret leaves the address at once, so that it is on no projector.
const app = document.getElementById('app')!;
app.textContent = '';
const given = /^#t=([0-9a-f]{32})$/.exec(location.hash)?.[1];
if (given) {
  sessionStorage.teacher = given;
  history.replaceState(null, '', location.pathname);
}
if (sessionStorage.teacher) {
  setToken(sessionStorage.teacher);
  teacher(app);
} else {
  student(app);
}
